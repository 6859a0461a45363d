/** The consumer in `server/consumers/fulfilment.ts`, named like its file. */
export const FULFILMENT = 'fulfilment'

/** The events it handles. */
export const FULFILLED_TYPES = ['order.placed', 'order.shipped', 'order.cancelled']
