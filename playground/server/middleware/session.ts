/** Gives a first visitor a session before the page and its data are rendered. */
export default defineEventHandler((event) => {
  sessionOf(event)
})
