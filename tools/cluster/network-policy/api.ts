import { IncomingMessage } from "node:http";
import { Agent, get } from "node:https";
import { text } from "node:stream/consumers";

import { Connection } from "./kubeconfig";

/** A refusal by the API server. */
export class ApiError extends Error {
    constructor(
        readonly status: number,
        message: string,
    ) {
        super(`${status}: ${message}`);
        this.name = "ApiError";
    }
}

/** Reads from an API server over HTTPS with a client certificate. */
export class ApiClient {
    private readonly agent: Agent;

    constructor(private readonly connection: Connection) {
        const { ca, cert, key } = connection;
        this.agent = new Agent({ ca, cert, key, keepAlive: true });
    }

    /**
     * The JSON body of a GET request.
     *
     * @throws ApiError for any status but 200
     */
    async json<T>(path: string, signal: AbortSignal, idleMs: number): Promise<T> {
        return JSON.parse(await text(await this.get(path, signal, idleMs))) as T;
    }

    /** The JSON values of an answer that sends one per line, until the server ends it. */
    async *stream<T>(path: string, signal: AbortSignal, idleMs: number): AsyncGenerator<T> {
        const response = await this.get(path, signal, idleMs);
        let rest = "";
        for await (const chunk of response.setEncoding("utf8")) {
            const lines = (rest + (chunk as string)).split("\n");
            rest = lines.pop()!;
            for (const line of lines) if (line) yield JSON.parse(line) as T;
        }
    }

    private async get(path: string, signal: AbortSignal, idleMs: number): Promise<IncomingMessage> {
        const url = new URL(path, this.connection.server);
        const response = await new Promise<IncomingMessage>((resolve, reject) => {
            const request = get(url, { agent: this.agent, signal, headers: { accept: "application/json" } }, resolve);
            request.on("error", reject);
            request.setTimeout(idleMs, () =>
                request.destroy(new Error(`${path}: nothing received for ${idleMs / 1000} s`)),
            );
        });
        if (response.statusCode === 200) return response;
        throw new ApiError(response.statusCode ?? 0, `${path}: ${(await text(response)).slice(0, 500)}`);
    }
}
