import { readFileSync } from "node:fs";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { Agent, Dispatcher, errors } from "undici";

const SERVICE_ACCOUNT_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Where one object stands in the API. */
export interface ObjectReference {
    /** `v1`, `apps/v1`, … */
    readonly apiVersion: string;
    /** Plural in lower case, as in URLs and Roles: `secrets`. */
    readonly resource: string;
    readonly name: string;
    /** Default: the namespace of this pod. */
    readonly namespace?: string;
}

/** The fields that every namespaced object has. */
export interface KubernetesObject {
    apiVersion?: string;
    kind?: string;
    metadata: {
        name?: string;
        namespace?: string;
        uid?: string;
        resourceVersion?: string;
        labels?: Record<string, string>;
        annotations?: Record<string, string>;
        ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string }[];
    };
}

/** A Secret; the values of `data` are base64. */
export interface Secret extends KubernetesObject {
    type?: string;
    data?: Record<string, string>;
}

/** An answer of the API with another status than 2xx. */
export class KubernetesApiError extends Error {
    /**
     * @param status HTTP status, or the code of the Status object that a watch delivered
     * @param reason machine-readable reason such as `AlreadyExists`, where the API gave one
     */
    constructor(
        readonly status: number,
        message: string,
        readonly reason?: string,
    ) {
        super(message);
        this.name = "KubernetesApiError";
    }
}

export interface KubernetesClientOptions {
    /** Folder with `token`, `ca.crt` and `namespace`. Default: where Kubernetes mounts the service account. */
    directory?: string;
    /** Default: this process's environment, for `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`. */
    env?: Record<string, string | undefined>;
    /** Time for one request and its answer, in milliseconds; a watch is not one. Default: 10000. */
    timeoutMs?: number;
    /**
     * Time without an event or bookmark after which a watch reconnects, in milliseconds. The API server sends a
     * bookmark about once a minute, so longer silence means a dead connection. Default: 75000.
     */
    silenceMs?: number;
    /** First and longest pause between attempts of a watch, in milliseconds. Default: 500 and 30000. */
    backoffMs?: { first: number; longest: number };
}

/**
 * The Kubernetes API as a pod's service account sees it: plain HTTPS, no generated client. Token and CA are read anew
 * for every request, because the kubelet rotates them.
 */
export class KubernetesClient {
    /** The namespace of this pod. */
    readonly namespace: string;
    private readonly origin: string;
    private readonly directory: string;
    private readonly options: Required<Pick<KubernetesClientOptions, "timeoutMs" | "silenceMs" | "backoffMs">>;
    private connection?: { ca: string; agent: Agent };

    /** @throws Error when this process does not run in a pod with a service-account token */
    constructor({ directory = SERVICE_ACCOUNT_DIRECTORY, env = process.env, ...rest }: KubernetesClientOptions = {}) {
        const host = env.KUBERNETES_SERVICE_HOST;
        if (!host) throw new Error("KUBERNETES_SERVICE_HOST is not set; the Kubernetes API is reached from a pod only");
        this.origin = `https://${isIPv6(host) ? `[${host}]` : host}:${env.KUBERNETES_SERVICE_PORT ?? "443"}`;
        this.directory = directory;
        this.namespace = this.serviceAccount("namespace");
        const { timeoutMs = 10_000, silenceMs = 75_000, backoffMs = { first: 500, longest: 30_000 } } = rest;
        this.options = { timeoutMs, silenceMs, backoffMs };
    }

    /** The object, or undefined when it does not exist. Needs the verb `get`. */
    async get<T extends KubernetesObject>(object: ObjectReference): Promise<T | undefined> {
        try {
            return await this.call<T>("GET", this.objectPath(object));
        } catch (error) {
            if (error instanceof KubernetesApiError && error.status === 404) return undefined;
            throw error;
        }
    }

    /** Creates the object. Needs the verb `create`. @throws KubernetesApiError with status 409 when it exists */
    create<T extends KubernetesObject>(object: ObjectReference, body: T): Promise<T> {
        return this.call("POST", this.collectionPath(object), body);
    }

    /**
     * Replaces the whole object. Needs the verb `update`.
     *
     * @throws KubernetesApiError with status 409 when `body` carries a `resourceVersion` that is no longer the newest
     */
    replace<T extends KubernetesObject>(object: ObjectReference, body: T): Promise<T> {
        return this.call("PUT", this.objectPath(object), body);
    }

    /** Changes the given fields by JSON merge patch; null removes a field. Needs the verb `patch`. */
    patch<T extends KubernetesObject>(object: ObjectReference, changes: object): Promise<T> {
        return this.call("PATCH", this.objectPath(object), changes, "application/merge-patch+json");
    }

    /** Plural name of a kind, asked of the API's discovery, which every service account may read. */
    async resourceOf(apiVersion: string, kind: string): Promise<string> {
        const { resources } = await this.call<{ resources: { name: string; kind: string }[] }>("GET", root(apiVersion));
        const found = resources.find((resource) => resource.kind === kind && !resource.name.includes("/"));
        if (!found) throw new Error(`the API server knows no kind ${kind} in ${apiVersion}`);
        return found.name;
    }

    /**
     * The object as it is now and after each change; undefined while it does not exist. Survives lost connections,
     * API server restarts and expired versions (410 Gone) by listing and watching again, with growing, jittered pauses.
     * Ends only when `signal` is aborted or the caller leaves the loop. Needs the verbs `list` and `watch`, which a Role
     * can limit to this one name.
     *
     * @param options.onError told of each failed attempt, before the pause
     */
    async *watch<T extends KubernetesObject>(
        object: ObjectReference,
        { signal, onError = () => undefined }: { signal: AbortSignal; onError?: (error: Error) => void },
    ): AsyncGenerator<T | undefined, void> {
        let since: string | undefined;
        let shown: string | undefined;
        let failures = 0;
        while (!signal.aborted) {
            const start = performance.now();
            try {
                if (since === undefined) {
                    const list = await this.call<List<T>>("GET", this.selection(object), undefined, undefined, signal);
                    since = list.metadata.resourceVersion;
                    // Events after a new list are told from the state that the caller already has.
                    const state = list.items[0];
                    if (identity(state) !== shown) yield state;
                    shown = identity(state);
                }
                for await (const event of this.events<T>(object, since, signal)) {
                    since = event.object.metadata.resourceVersion;
                    failures = 0;
                    if (event.type === "BOOKMARK") continue;
                    const state = event.type === "DELETED" ? undefined : event.object;
                    shown = identity(state);
                    yield state;
                }
                // The server ends a watch after its time; one that ends at once must not become a busy loop.
                failures = performance.now() - start > this.options.backoffMs.first ? 0 : failures + 1;
            } catch (error) {
                if (signal.aborted) return;
                failures += 1;
                if (error instanceof KubernetesApiError && error.status === 410) since = undefined;
                else onError(error as Error);
            }
            if (failures > 0) await this.pause(failures, signal);
        }
    }

    /** Ends all connections; a running watch ends through its signal. */
    async close(): Promise<void> {
        await this.connection?.agent.destroy();
    }

    private async *events<T>(object: ObjectReference, since: string, signal: AbortSignal): AsyncGenerator<Event<T>> {
        // A random length keeps the watches of many pods from reconnecting in step.
        const seconds = Math.round(240 + Math.random() * 120);
        const query = `watch=true&allowWatchBookmarks=true&timeoutSeconds=${seconds}&resourceVersion=${since}`;
        const { silenceMs, timeoutMs } = this.options;
        const answer = await this.send({
            method: "GET",
            path: `${this.selection(object)}&${query}`,
            headersTimeout: timeoutMs,
            bodyTimeout: silenceMs,
            signal,
        });
        try {
            for await (const line of lines(answer.body)) {
                const event = JSON.parse(line) as Event<T>;
                if (event.type === "ERROR") throw statusError(event.object as unknown as Status);
                yield event;
            }
        } catch (error) {
            if (!(error instanceof errors.BodyTimeoutError)) throw error;
        } finally {
            answer.body.on("error", () => undefined).destroy();
        }
    }

    private async call<T>(
        method: Method,
        path: string,
        body?: object,
        type = "application/json",
        signal?: AbortSignal,
    ) {
        const timeout = AbortSignal.timeout(this.options.timeoutMs);
        const answer = await this.send({
            method,
            path,
            headers: body && { "content-type": type },
            body: body && JSON.stringify(body),
            signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        });
        return (await answer.body.json()) as T;
    }

    private async send(options: Dispatcher.RequestOptions & { headers?: Record<string, string> }) {
        const headers = { ...options.headers, authorization: `Bearer ${this.serviceAccount("token")}` };
        const answer = await this.agent().request({ ...options, origin: this.origin, headers });
        if (answer.statusCode < 300) return answer;
        throw statusError({ code: answer.statusCode, ...parseStatus(await answer.body.text()) });
    }

    private agent(): Agent {
        const ca = this.serviceAccount("ca.crt");
        if (this.connection?.ca !== ca) {
            void this.connection?.agent.close();
            this.connection = { ca, agent: new Agent({ connect: { ca } }) };
        }
        return this.connection.agent;
    }

    private serviceAccount(file: "token" | "ca.crt" | "namespace"): string {
        return readFileSync(join(this.directory, file), "utf8").trim();
    }

    private collectionPath({ apiVersion, resource, namespace = this.namespace }: ObjectReference): string {
        return `${root(apiVersion)}/namespaces/${encodeURIComponent(namespace)}/${encodeURIComponent(resource)}`;
    }

    private objectPath(object: ObjectReference): string {
        return `${this.collectionPath(object)}/${encodeURIComponent(object.name)}`;
    }

    private selection(object: ObjectReference): string {
        return `${this.collectionPath(object)}?fieldSelector=${encodeURIComponent(`metadata.name=${object.name}`)}`;
    }

    private async pause(failures: number, signal: AbortSignal): Promise<void> {
        const { first, longest } = this.options.backoffMs;
        const ceiling = Math.min(longest, first * 2 ** (failures - 1));
        await delay(ceiling * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
    }
}

type Method = "GET" | "POST" | "PUT" | "PATCH";

interface List<T> {
    metadata: { resourceVersion: string };
    items: T[];
}

interface Event<T> {
    type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
    object: T & { metadata: { resourceVersion: string } };
}

interface Status {
    code: number;
    message?: string;
    reason?: string;
}

function statusError({ code, message, reason }: Status): KubernetesApiError {
    return new KubernetesApiError(code, `${message ?? "no message"} (status ${code})`, reason);
}

function parseStatus(text: string): { message?: string; reason?: string } {
    try {
        const { message, reason } = JSON.parse(text) as Status;
        return { message, reason };
    } catch {
        // A proxy between pod and API server answers in plain text or HTML.
        return { message: text.slice(0, 200) || undefined };
    }
}

function root(apiVersion: string): string {
    return apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

function identity(object: KubernetesObject | undefined): string {
    return object ? `${object.metadata.uid}/${object.metadata.resourceVersion}` : "absent";
}

async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of chunks) {
        const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
        rest = parts.pop()!;
        yield* parts.filter((line) => line !== "");
    }
}
