// Lets a few tasks run at once; the others wait in the order in which they came.

export class Queue {
  #free;
  #waiting = [];

  /** @param {number} limit how many run at once */
  constructor(limit) {
    this.#free = limit;
  }

  /**
   * @template T
   * @param {() => Promise<T>} task
   * @param {AbortSignal} signal whose task need not wait any more when it is aborted
   * @returns {Promise<T>} what the task gives, or its error, or the signal's reason
   */
  async run(task, signal) {
    await this.#turn(signal);
    try {
      signal.throwIfAborted();
      return await task();
    } finally {
      this.#pass();
    }
  }

  #turn(signal) {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve);
      signal.addEventListener("abort", () => {
        if (this.#waiting.includes(resolve)) {
          this.#waiting = this.#waiting.filter((each) => each !== resolve);
          reject(signal.reason);
        }
      });
    });
  }

  #pass() {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free++;
  }
}
