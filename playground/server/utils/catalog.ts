import type { Product } from '~/types/desk'

export const products: Product[] = [
  { id: 'coffee', name: 'Filter coffee', note: 'Ethiopia, 250 g', price: 1290 },
  { id: 'mug', name: 'Enamel mug', note: '350 ml, dishwasher-safe', price: 1450 },
  { id: 'notebook', name: 'Linen notebook', note: 'A5, dotted, 160 pages', price: 1800 },
  { id: 'pen', name: 'Fountain pen', note: 'Brass, medium nib', price: 4900 },
  { id: 'lamp', name: 'Desk lamp', note: 'Oak and steel, dimmable', price: 8900 },
  { id: 'candle', name: 'Beeswax candle', note: 'Burns for 40 hours', price: 1650 },
]

export const findProduct = (id: unknown): Product | undefined => products.find(product => product.id === id)
