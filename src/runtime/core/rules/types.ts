import type { Members } from '../shared/types'

/** A value that a field of an event is compared with. */
export type RuleValue = string | number | boolean | null

/**
 * Which events a rule is about. `type`: the type of the event; `subject`: its subject, or a glob of subjects. Any other
 * member is a field of the event by its dotted path (`'data.country'`), and has to have this value.
 */
export interface RuleCondition {
  type?: string
  subject?: string
  [field: string]: RuleValue | undefined
}

export interface EventRuleInput {
  /** At most 200 bytes. A rule with this id is replaced. */
  id: string
  /** Default: every event. */
  when?: RuleCondition
  /** So many events of the subject that `when` is true of, those of the window, reach the rule. At least 1. */
  threshold: number
  /** The window ends at the event, and is so long, in milliseconds. */
  windowMs: number
  /** What an evaluation gives when the threshold is reached: any JSON. */
  result: unknown
  /** What it gives when `when` is true of the event and the threshold is not reached. Default: later rules are asked. */
  otherwise?: unknown
  /**
   * An inactive rule is passed over.
   * @default true
   */
  active?: boolean
  /** Rules are asked from the lowest order up; those of one order by their ids. Default: as before; a new rule comes last. */
  order?: number
}

export const EVENT_RULE: Members<EventRuleInput> = {
  id: true, when: true, threshold: true, windowMs: true, result: true, otherwise: true, active: true, order: true,
}

/** A rule as it is stored. */
export interface EventRule extends EventRuleInput {
  when: RuleCondition
  active: boolean
  order: number
  // As in EventRecord: its code reads members without a guard.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  result: any
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  otherwise?: any
}

/** An event to evaluate: a record of the store with its subject, as consumers and subscriptions get it, or what is known of it. */
export interface EvaluatedEvent {
  subject: string
  type: string
  /** With an id only events up to this one are counted. */
  id?: string
  /** When the window ends, in milliseconds since 1970. Default: now, by the clock of the database. */
  ts?: number
  [field: string]: unknown
}

/** The rule that has decided. */
export interface RuleOutcome {
  /** Its id. */
  rule: string
  /** Whether `result` is its `result`, or its `otherwise`. */
  reached: boolean
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  result: any
  /** Events that were counted: no more than the threshold. */
  count: number
}

/** One rule in a dry run. */
export interface RuleStep {
  rule: string
  active: boolean
  /** Whether `when` is true of the event. */
  matches: boolean
  /** Undefined when nothing was counted: the rule is inactive, or not about the event. */
  count?: number
  threshold: number
  reached: boolean
  /** Whether it is this rule that decides. */
  decides: boolean
}

export interface DryRunOptions {
  /** Rules to ask in place of the stored ones, in this order. They are not stored. */
  rules?: EventRuleInput[]
}

export const DRY_RUN_OPTIONS: Members<DryRunOptions> = { rules: true }

export interface RuleDryRun {
  /** What `evaluate` would give. */
  outcome: RuleOutcome | null
  /** Every rule in order, also those behind the one that decides. */
  steps: RuleStep[]
}

/** Rules that count the events of a subject in a sliding window. */
export interface RulesApi {
  /**
   * Stores a rule, in place of one with the same id.
   * @returns the rule as it is stored
   * @throws {StoreError} INVALID_VALUE
   * @example
   * await store.rules.upsert({
   *   id: 'locked', when: { type: 'login.failed' }, threshold: 5, windowMs: 600_000, result: { lock: true }, otherwise: { lock: false },
   * })
   */
  upsert(rule: EventRuleInput): Promise<EventRule>
  /** All rules in the order in which they are asked. */
  list(): Promise<EventRule[]>
  /** One rule; null when there is none with this id. */
  get(id: string): Promise<EventRule | null>
  /** Deletes a rule. False: there was none with this id. */
  remove(id: string): Promise<boolean>
  /**
   * Asks the rules about an event, in order: the first that is about it decides, by how many events of its subject in the
   * window it is about. Counting ends at the threshold. Null: no rule has decided.
   * @throws {StoreError} INVALID_VALUE
   * @example const { result } = await tx.rules.evaluate(event) ?? { result: null }
   */
  evaluate(event: EvaluatedEvent): Promise<RuleOutcome | null>
  /** The same with what each rule has said, also for rules that are not stored. */
  dryRun(event: EvaluatedEvent, options?: DryRunOptions): Promise<RuleDryRun>
}
