/** The calls this visitor's latest requests made. */
export default defineEventHandler(async (event) => {
  const groups = callsOf(sessionOf(event))
  await nameTables(groups.flatMap(({ calls }) => calls))
  return groups
})
