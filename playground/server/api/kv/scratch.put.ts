/** Sets the scratch value: `{ "value": 41, "ttlSeconds": 30 }`; without `ttlSeconds` it stays. */
export default defineEventHandler(async (event) => {
  const store = logged(event, useStore())
  const body: unknown = await readBody(event)
  const value = memberOf(body, 'value')
  const ttlSeconds = memberOf(body, 'ttlSeconds') === undefined ? undefined : integerOf(body, 'ttlSeconds', 1, 86_400)

  await store.kv.set(scratchKey(sessionOf(event)), value, ttlSeconds)
  return { expiresAt: ttlSeconds === undefined ? null : Date.now() + ttlSeconds * 1000 }
})
