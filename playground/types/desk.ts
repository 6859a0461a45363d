/** Shapes the server routes and the pages share. Amounts of money are whole cents. */
export interface Product {
  id: string
  name: string
  note: string
  price: number
}

export interface CartLine {
  product: Product
  quantity: number
  amount: number
}

export interface CartView {
  lines: CartLine[]
  total: number
  /** Milliseconds since 1970; null when there is no cart. */
  expiresAt: number | null
}

export interface TurnView {
  used: number
  allowed: number
  resetsAt: number
}

export type OrderStatus = 'placed' | 'paid' | 'packed' | 'shipped' | 'cancelled'

export interface Order {
  id: string
  customer: string
  status: OrderStatus
  items: number
  total: number
  events: number
  placedAt: number
  /** Statuses this order may move to now. */
  next: OrderStatus[]
}

/** A line of an order, as its first event has it. */
export interface OrderItem {
  product: string
  quantity: number
  amount: number
}

export type ParcelStatus = 'reserved' | 'sent' | 'returned'

export interface StockLine {
  product: Product
  left: number
}

/** An event that was given up, and what waits behind it. */
export interface ParkedLetter {
  id: string
  subject: string
  event: ShownEvent
  attempts: number
  error: string
  /** Types of the later events of its subject. */
  waiting: string[]
}

/** What a requeued letter would do. */
export interface LetterPreview {
  handled: number
  changes: { table: string, inserted: number, updated: number, deleted: number }[]
  failed: { type: string, error: string } | null
}

export interface Totals {
  orders: number
  revenue: number
  byStatus: Record<OrderStatus, number>
}

/** What every event has; workflow events carry more. */
export interface ShownEvent {
  id: string
  ts: number
  type: string
  data?: unknown
}

export type Tier = 'stream' | 'index' | 'kv' | 'deadLetters' | 'admin.consumers'

/** One call to the store, as it was made. */
export interface Call {
  tier: Tier
  method: string
  args: unknown[]
  table: string
  ms: number
  /** Absent for a call outside a transaction. */
  transaction?: 'committed' | 'rolled back'
  /** Code of the StoreError it ended with. */
  error?: string
}

/** The calls one request made. */
export interface CallGroup {
  id: number
  request: string
  at: number
  calls: Call[]
}

/** What a call answered, beside the call itself. */
export interface Exhibit<T> {
  result: T
  call: Call
}
