/** The calls this visitor's latest requests made. */
export default defineEventHandler(event => callsOf(sessionOf(event)))
