import { setTimeout as delay } from "node:timers/promises";

import { messageOf } from "../../lib/errors";
import { say } from "../../lib/progress";
import { ApiClient, ApiError } from "./api";
import { KubernetesObject } from "./objects";

const LIST_IDLE_MS = 30_000;
const WATCH_SECONDS = 120;
/** A watch that is silent for longer than the server was asked to keep it is dead. */
const WATCH_IDLE_MS = (WATCH_SECONDS + 10) * 1000;
const FIRST_BACKOFF_MS = 100;
const LAST_BACKOFF_MS = 5000;

type WatchEvent<T> =
    | { type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK"; object: T }
    | { type: "ERROR"; object: { code?: number; message?: string } };

/** Keeps a copy of all objects of one kind by list and watch. */
export class Reflector<T extends KubernetesObject> {
    private objects = new Map<string, T>();
    private version: string | undefined;
    private versionExpired = false;

    /**
     * @param path collection on the API server, such as `/api/v1/pods`
     * @param onChange called whenever the copy, or the resource version it stands for, has changed
     */
    constructor(
        private readonly api: ApiClient,
        private readonly path: string,
        private readonly onChange: () => void,
    ) {}

    /** The objects; empty before the first list. */
    get items(): Iterable<T> {
        return this.objects.values();
    }

    /** The resource version that the copy is as new as; undefined before the first list. */
    get resourceVersion(): string | undefined {
        return this.version;
    }

    /** Follows the collection until `signal` aborts. What was read stays valid while the server cannot be reached. */
    async run(signal: AbortSignal): Promise<void> {
        for (let failures = 0; !signal.aborted;) {
            const start = performance.now();
            try {
                if (this.version === undefined || this.versionExpired) await this.list(signal);
                await this.watch(this.version!, signal);
            } catch (error) {
                if (signal.aborted) return;
                if (error instanceof ApiError && error.status === 410) this.versionExpired = true;
                else say(`network-policy: ${this.path}: ${messageOf(error)}`);
            }
            // Counting every short stay, not errors alone, keeps a server that ends each watch at once from being flooded.
            failures = performance.now() - start < 1000 ? failures + 1 : 0;
            const backoff = failures ? Math.min(FIRST_BACKOFF_MS * 2 ** (failures - 1), LAST_BACKOFF_MS) : 0;
            await delay(backoff, undefined, { signal }).catch(() => undefined);
        }
    }

    private async list(signal: AbortSignal): Promise<void> {
        const list = await this.api.json<{ metadata: { resourceVersion: string }; items?: T[] }>(
            this.path,
            signal,
            LIST_IDLE_MS,
        );
        this.objects = new Map((list.items ?? []).map((object) => [keyOf(object), object]));
        this.version = list.metadata.resourceVersion;
        this.versionExpired = false;
        this.onChange();
    }

    private async watch(resourceVersion: string, signal: AbortSignal): Promise<void> {
        const query = new URLSearchParams({
            watch: "1",
            allowWatchBookmarks: "true",
            timeoutSeconds: String(WATCH_SECONDS),
            resourceVersion,
        });
        for await (const event of this.api.stream<WatchEvent<T>>(`${this.path}?${query}`, signal, WATCH_IDLE_MS)) {
            if (event.type === "ERROR")
                throw new ApiError(event.object.code ?? 500, event.object.message ?? "watch failed");
            if (event.type === "DELETED") this.objects.delete(keyOf(event.object));
            else if (event.type !== "BOOKMARK") this.objects.set(keyOf(event.object), event.object);
            this.version = event.object.metadata.resourceVersion ?? this.version;
            this.onChange();
        }
    }
}

function keyOf({ metadata }: KubernetesObject): string {
    return `${metadata.namespace ?? ""}/${metadata.name}`;
}
