import { readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { KubernetesClient, Secret } from "../../kit/kubernetes";
import { Material, versionOf } from "./certificate";

/** What the Secret holds, now and after each change; undefined while it does not exist. Ends with the signal. */
export type Source = (signal: AbortSignal) => AsyncIterable<Material | undefined>;

/** A watch of the Secret; a change is seen at once. Needs the verbs `list` and `watch` on this one Secret. */
export function apiSource(client: KubernetesClient, name: string, onError: (error: Error) => void): Source {
    return async function* (signal) {
        const secret = { apiVersion: "v1", resource: "secrets", name };
        for await (const state of client.watch<Secret>(secret, { signal, onError })) {
            const part = (key: string) => (state?.data?.[key] ? Buffer.from(state.data[key], "base64") : undefined);
            yield state && { certificate: part("tls.crt"), key: part("tls.key") };
        }
    };
}

/** A mounted Secret, looked at every second; the kubelet brings a change within about 90 s. */
export function volumeSource(directory: string, everyMs = 1000): Source {
    return async function* (signal) {
        let shown: string | undefined;
        while (!signal.aborted) {
            const material = readVolume(directory);
            const version = material ? versionOf(material) : "absent";
            if (version !== shown) yield material;
            shown = version;
            await delay(everyMs, undefined, { signal }).catch(() => undefined);
        }
    };
}

function readVolume(directory: string): Material | undefined {
    // The kubelet swaps the link `..data`: resolved once, both files come from one version of the Secret.
    const resolved = firstOf(
        () => realpathSync(join(directory, "..data")),
        () => realpathSync(directory),
    );
    if (resolved === undefined) return undefined;
    const [certificate, key] = ["tls.crt", "tls.key"].map((file) => firstOf(() => readFileSync(join(resolved, file))));
    return certificate || key ? { certificate, key } : undefined;
}

function firstOf<T>(...attempts: (() => T)[]): T | undefined {
    for (const attempt of attempts) {
        try {
            return attempt();
        } catch {
            // Not there: the next, or nothing.
        }
    }
    return undefined;
}
