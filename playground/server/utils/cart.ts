import type { KvApi } from 'nvent-store-postgres/core'
import type { CartView } from '~/types/desk'

/** What the key-value tier holds. The value repeats its time to live so that pages can count it down. */
export interface Cart {
  quantities: Record<string, number>
  expiresAt: number
}

/** How long a cart is kept after its last change. */
export const CART_SECONDS = Number(process.env.DESK_CART_SECONDS ?? 600)
export const MAX_QUANTITY = 20

export const cartKey = (session: string): string => `desk:${session}:cart`

export async function saveCart(kv: KvApi, session: string, quantities: Record<string, number>): Promise<Cart | null> {
  if (Object.keys(quantities).length === 0) {
    await kv.delete(cartKey(session))
    return null
  }
  const cart: Cart = { quantities, expiresAt: Date.now() + CART_SECONDS * 1000 }
  await kv.set(cartKey(session), cart, CART_SECONDS)
  return cart
}

/** Prices come from the catalogue, never from the browser. */
export function viewCart(cart: Cart | null): CartView {
  const lines = products.flatMap((product) => {
    const quantity = cart?.quantities[product.id] ?? 0
    return quantity > 0 ? [{ product, quantity, amount: quantity * product.price }] : []
  })
  return {
    lines,
    total: lines.reduce((sum, line) => sum + line.amount, 0),
    expiresAt: cart?.expiresAt ?? null,
  }
}
