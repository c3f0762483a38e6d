/**
 * A fetch for uploads that tells how many bytes have gone out. It is XMLHttpRequest, for fetch does not know; where there is
 * none (Node), it is fetch, which tells nothing.
 * @param onProgress gets the bytes sent so far; fewer than before when an upload begins anew
 */
export function fetchWithProgress(fallback: typeof fetch, onProgress: (sentBytes: number) => void): typeof fetch {
  if (typeof XMLHttpRequest === 'undefined') return fallback;
  return async (input, init) => {
    const { method, url, headers, signal } = new Request(input, init);
    // The request's own body would be a stream, which XMLHttpRequest does not take.
    const body = init?.body;
    if (!(body instanceof Uint8Array)) throw new TypeError('want the body as a Uint8Array');
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const abort = () => request.abort();
      request.open(method, url);
      request.responseType = 'text';
      for (const [name, value] of headers) request.setRequestHeader(name, value);
      request.upload.onprogress = ({ loaded }) => onProgress(loaded);
      request.onload = () => resolve(new Response(request.responseText || null, { status: request.status }));
      request.onerror = () => reject(new TypeError('the connection was lost'));
      request.onabort = () => reject(signal.reason);
      request.onloadend = () => signal.removeEventListener('abort', abort);
      signal.addEventListener('abort', abort);
      request.send(new Uint8Array(body));
    });
  };
}
