/** What Vite puts into the page when it builds it. */
interface ImportMeta {
  readonly env: { readonly VITE_API_URL?: string };
}

declare module '*.css';
