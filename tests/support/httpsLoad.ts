import { Agent } from "node:https";
import type { TLSSocket } from "node:tls";
import { setTimeout as delay } from "node:timers/promises";

import type { HttpsSidecar } from "./httpsSidecar";

/** Clients that keep their connection; as many again open a new one for each request. */
export const CLIENTS = 3;

/** Steady requests of both kinds until `stop`, with what came of them. */
export class HttpsLoad {
    readonly failures: string[] = [];
    /** Connections that the keeping clients have used. */
    readonly keptConnections = new Set<TLSSocket>();
    kept = 0;
    fresh = 0;
    /** Serial of the certificate that the last new connection was shown. */
    serial = "";
    private stopping = false;
    private readonly clients: Promise<void>[];

    constructor(private readonly sidecar: HttpsSidecar) {
        this.clients = Array.from({ length: CLIENTS }, () => [this.keeping(), this.opening()]).flat();
    }

    async stop(): Promise<void> {
        this.stopping = true;
        await Promise.all(this.clients);
    }

    private async keeping(): Promise<void> {
        const agent = new Agent({ keepAlive: true, maxSockets: 1 });
        await this.repeat(async () => {
            // No client repeats a POST by itself when its connection is closed under it.
            const { status, socket } = await this.sidecar.ask("/kept", { agent, method: "POST", body: "text" });
            this.keptConnections.add(socket);
            this.kept += 1;
            return status;
            // nginx ends a connection after 1000 requests; at this pace none gets there within a test.
        }, 20);
        agent.destroy();
    }

    private opening(): Promise<void> {
        return this.repeat(async () => {
            const { status, serial } = await this.sidecar.ask("/fresh");
            this.serial = serial;
            this.fresh += 1;
            return status;
        }, 10);
    }

    private async repeat(ask: () => Promise<number>, pauseMs: number): Promise<void> {
        while (!this.stopping) {
            try {
                const status = await ask();
                if (status !== 200) this.failures.push(`status ${status}`);
            } catch (error) {
                this.failures.push((error as Error).message);
            }
            await delay(pauseMs);
        }
    }
}
