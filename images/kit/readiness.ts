import { setTimeout as delay } from "node:timers/promises";

/** Why a service is not ready, or undefined when it is. A thrown error counts as a reason. */
export type ReadinessCheck = () => string | undefined | Promise<string | undefined>;

/** Body of `/readyz`. */
export interface ReadinessReport {
    status: "ready" | "not ready" | "draining";
    checks: Record<string, { ready: boolean; reason?: string }>;
}

/** Below the kubelet's default probe timeout of 1 s, so that the reason still reaches it. */
const CHECK_TIMEOUT_MS = 800;

/** The named conditions under which a service wants traffic. */
export class Readiness {
    readonly #checks = new Map<string, ReadinessCheck>();
    #draining = false;

    /** Adds a check that every `/readyz` runs; it has 800 ms. */
    add(name: string, check: ReadinessCheck): void {
        if (this.#checks.has(name)) throw new Error(`the readiness check "${name}" exists already`);
        this.#checks.set(name, check);
    }

    /** Makes the service not ready for good, since it is about to stop. */
    drain(): void {
        this.#draining = true;
    }

    get draining(): boolean {
        return this.#draining;
    }

    async report(): Promise<ReadinessReport> {
        const results = await Promise.all(
            [...this.#checks].map(async ([name, check]) => [name, await run(check)] as const),
        );
        const checks = Object.fromEntries(results);
        const ready = results.every(([, result]) => result.ready);
        return { status: this.#draining ? "draining" : ready ? "ready" : "not ready", checks };
    }
}

async function run(check: ReadinessCheck): Promise<{ ready: boolean; reason?: string }> {
    const timer = new AbortController();
    const late = delay(CHECK_TIMEOUT_MS, `no answer within ${CHECK_TIMEOUT_MS} ms`, { signal: timer.signal });
    // Rejects when the check was faster and the timer is cancelled.
    late.catch(() => undefined);
    try {
        const reason = await Promise.race([late, Promise.resolve().then(check)]);
        return reason === undefined ? { ready: true } : { ready: false, reason };
    } catch (error) {
        return { ready: false, reason: error instanceof Error ? error.message : String(error) };
    } finally {
        timer.abort();
    }
}
