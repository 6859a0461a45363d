/** What the store is connected to; it holds no secret. */
export default defineEventHandler(event => logged(event, useStore()).ready())
