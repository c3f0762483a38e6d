/** A queue that delivers every message at least once, in no particular order. Bodies are text of at most 256 KiB. */
export interface Queue {
  /** `delaySeconds` 0…900; `group`: whose message it is, so that a busy tenant does not starve the others. */
  send(body: string, options?: { delaySeconds?: number; group?: string }): Promise<void>;
  /**
   * Takes up to `maxMessages` (1…10, default 1), waiting up to `waitSeconds` (0…20, default 0) for the first. A message
   * taken is hidden from other receivers for `visibilitySeconds` (default: the queue's), then delivered again unless
   * deleted. An abort of `signal` ends the wait with an empty list.
   */
  receive(options?: Receive): Promise<Received[]>;
  /** Hides a received message for so many seconds from now (0…43200); 0 gives it back at once. */
  extend(receipt: string, seconds: number): Promise<void>;
  /** Done with this message. */
  delete(receipt: string): Promise<void>;
  /** About how many messages nobody has taken yet. */
  waiting(): Promise<number>;
}

export type Receive = { maxMessages?: number; waitSeconds?: number; visibilitySeconds?: number; signal?: AbortSignal };
/** `receiveCount`: how often it has been delivered, this time included. */
export type Received = { receipt: string; body: string; receiveCount: number };
