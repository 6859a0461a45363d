// The process of one contestant: executes the messages of its parent, one after the other.
import { openContestant } from './contestants.mjs'
import { nameJson, profiled } from './cpu-profile.mjs'

let contestant

const actions = {
  async open(description) {
    if (description.profiled) nameJson()
    contestant = await openContestant(description)
  },
  prepare: given => contestant.prepare(given),
  warm: (given, ms) => contestant.warm(given, ms),
  run: (given, ms) => contestant.run(given, ms),
  profile: (given, ms) => profiled(() => contestant.run(given, ms)),
  close: () => contestant?.close(),
}

process.on('disconnect', () => process.exit())

process.on('message', async ({ id, action, parameters }) => {
  try {
    process.send({ id, result: await actions[action](...parameters) })
  }
  catch (error) {
    process.send({ id, error: error.stack ?? String(error) })
  }
})
