/** Sends the events of `?subject=` to the browser as they are appended, by whichever process (server-sent events). */
export default defineEventHandler(event => sendEvents(event, subjectOf(getQuery(event))))
