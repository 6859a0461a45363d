// The process of one contestant: executes the messages of its parent, one after the other.
import { openContestant } from './contestants.mjs'
import { nameJson, profiled } from './cpu-profile.mjs'
import { serve } from './serve.mjs'

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

serve(actions)
