import type { Database } from '../setup/database'

export interface PlanNode {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Plan Rows': number
  'Actual Loops': number
  'Shared Hit Blocks': number
  'Shared Read Blocks': number
  'Plans'?: PlanNode[]
}

const nodesOf = (plan: PlanNode): PlanNode[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

/** Runs a statement: the nodes of its plan, and how many blocks it touched. */
export async function planOf({ sql }: Database, { text, values }: { text: string, values: unknown[] }): Promise<{ nodes: PlanNode[], blocks: number }> {
  const [row] = await sql<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(`explain (analyze, buffers, format json) ${text}`, values)
  const plan = row!['QUERY PLAN'][0].Plan
  return { nodes: nodesOf(plan), blocks: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'] }
}
