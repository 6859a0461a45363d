/** Tells the browser what happens to orders, whichever desk they are placed at (server-sent events). */
export default defineEventHandler(event => sendEvents(event, DESK_LOG))
