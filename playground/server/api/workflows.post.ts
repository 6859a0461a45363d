/** Writes what a run of a three-step nvent workflow writes. */
export default defineEventHandler(async (event) => {
  const { stream, index } = logged(event, useStore())
  const runId = crypto.randomUUID().slice(0, 8)
  const run = { runId, flowName: FLOW }

  if (!await index.get(FLOWS, FLOW)) {
    await index.add(FLOWS, FLOW, Date.now(), { name: FLOW, displayName: 'Checkout', registeredAt: Date.now() })
  }
  const started = await stream.append(runSubject(runId), { ...run, type: 'flow.start', data: { cart: 3 } })
  await index.add(RUNS, runId, started.ts, { status: 'running', startedAt: started.ts, stepCount: steps.length, completedSteps: 0 })
  await index.increment(FLOWS, FLOW, 'stats.total')

  for (const stepName of steps) {
    await stream.append(runSubject(runId), { ...run, type: 'step.completed', stepName, attempt: 1 })
    await index.increment(RUNS, runId, 'completedSteps')
  }

  const ended = await stream.append(runSubject(runId), { ...run, type: 'flow.completed' })
  await index.update(RUNS, runId, { status: 'completed', completedAt: ended.ts })
  await index.increment(FLOWS, FLOW, 'stats.success')
  return { runId }
})
