export { PostgresStoreAdapter } from './adapter'
export { createStore } from './store'
export type { Store, StoreApis, StreamApi } from './types'
export type { StoreOptions } from './options/types'
export { StoreError, isStoreError } from './shared/errors'
export type { StoreErrorCode } from './shared/errors'
export type { EventInput, EventMeta, EventRecord } from './shared/event'
export type { Logger } from './shared/types'
export type { IsolationLevel, PoolMetrics } from './db/types'
export { versionOf } from './tables/eventCodec'
export { tableOf } from './tables/tableOf'
export type { AppendEntry, AppendManyOptions, AppendOptions, ExpectedVersion } from './stream/append/types'
export type {
  DismissedEvent, IterateOptions, Reason, StreamHead, StreamList, StreamListOptions, StreamOperations, StreamReadOptions,
} from './stream/types'
export type {
  FilterValue, IndexApi, IndexEntry, IndexFilter, IndexPage, IndexPageOptions, IndexReadOptions, IndexUpdateOptions, Metadata,
} from './entries/types'
export type { KvApi, KvEntry, KvList, KvListOptions } from './kv/types'
export type { GlobalEvent, HighWaterMark, Mark, LogOperations, ReadAllOptions, StreamSubscription, SubscribeOptions } from './log/types'
export { eventCodec } from './typed/codec'
export type {
  EventCodec, EventSchema, EventSchemas, EventTypeOf, EventWithData, StandardIssue, StandardResult, StandardSchema, TypedEvent, TypedEventInput,
  TypedReadOptions, TypedStream, TypedStreamOptions, TypedViews, Upcast, VersionedSchema,
} from './typed/types'
export type {
  DrizzleTransaction, KyselyTransaction, QueryClient, TransactionApi, TransactionClient, TransactionOptions, TransactionStreamApi,
} from './transaction/types'
export type {
  CaughtUpOptions, ConsumedEvent, ConsumeOptions, ConsumeResult, Consumer, ConsumerContext, ConsumerStatus, RunOnceOptions, RunOnceResult, StopOptions,
} from './consumers/types'
export type {
  DeadLetter, DeadLetterFilter, DeadLetterList, DeadLetterListOptions, DeadLetterPreview, DeadLettersApi, PreviewOptions, PurgeOptions,
  RequeueOptions, RequeueRangeOptions, TableChanges,
} from './consumers/deadLetterTypes'
export type { ConcurrencyKey, Debounce, FlowKey, RateLimit } from './consumers/flowTypes'
export type { ConsumerInfo, ConsumerResetOptions, ConsumersAdmin } from './consumers/adminTypes'
export type {
  AckOptions, BlockOptions, ClaimOptions, HeldLease, Lease, LeasedSubject, LeasesApi, NackOptions, OpenOptions, RenewOptions,
} from './leases/types'
export { defineConsumer } from './consumers/define'
export type { ConsumerDefinition, ConsumerDefinitionOptions, ConsumerSchema, TypedConsumedEvent } from './consumers/define'
export type {
  Aggregate, AggregateCalls, AggregateEvent, AggregateInput, AggregateOptions, AggregateSession, AggregatesApi, Decision, HandledCommand, HandleOptions,
  LoadedAggregate, SessionAggregate, SnapshotOptions,
} from './aggregates/types'
export type { DedupeApi, DedupeKeys, OnceOptions, TransactionDedupe } from './dedupe/types'
export { defineProjection } from './projections/defineProjection'
export type { ProjectionDefinition, ProjectionDefinitionOptions } from './projections/defineProjection'
export type { EnqueueOptions, OutboxWriter } from './outbox/types'
export type { PrepareContext, Project, ProjectedEvent, Projection, ProjectionBuild, ProjectionContext, ProjectionInfo, ProjectionStatus, ProjectOptions, SideEffectContext } from './projections/types'
export type { ProjectionEntry, ProjectionList, ProjectionListOptions, ProjectionQueryOptions, ProjectionsApi } from './projections/statesApi'
export { defineRelay } from './relay/defineRelay'
export type { RelayDefinition } from './relay/defineRelay'
export type { OutboxApi, OutboxMessage, OutboxStats, OutboxStatsOptions, PublishContext, RelayOptions } from './relay/types'
export type {
  DryRunOptions, EvaluatedEvent, EventRule, EventRuleInput, RuleCondition, RuleDryRun, RuleOutcome, RulesApi, RuleStep, RuleValue,
} from './rules/types'
export type { TopicFilter } from './shared/topics'
export type { StreamTable } from './partitions/subjectTables'
export type { RetentionAdmin, RetentionReport, RetentionRule, RetentionRuleReport, RetentionRunOptions } from './jobs/retention/types'
export * from './schema/api'
export type { AdoptionPlan, DriftFinding, MigrationPlan, PendingMigration, StoreInfo } from './schema/types'
export { PROMETHEUS_TYPE, prometheusText } from './observability/prometheus'
export type { TracedCall } from './observability/trace'
export type { BackgroundMetrics, CallInfo, ConsumerMetrics, OperationMetrics, StoreEvents, StoreMetrics } from './observability/types'
export type { HealthCheck, HealthError, HealthOptions, HealthStatus, StoreAdmin, StoreHealth } from './admin/types'
// Earlier names of the same types.
export type { IndexApi as IndexSurface } from './entries/types'
export type { KvApi as KvSurface } from './kv/types'
export type { TransactionApi as TransactionSurfaces, TransactionStreamApi as TransactionStreamSurface } from './transaction/types'
export type { StoreApis as Surfaces, StreamApi as StreamSurface } from './types'
