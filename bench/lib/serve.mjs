/** Executes the messages of the parent, as `startProcess` sends them, until it is gone. */
export function serve(actions) {
  process.on('disconnect', () => process.exit())
  process.on('message', async ({ id, action, parameters }) => {
    try {
      process.send({ id, result: await actions[action](...parameters) })
    }
    catch (error) {
      process.send({ id, error: error.stack ?? String(error) })
    }
  })
}
