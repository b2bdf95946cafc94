import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";

import { hasCode, messageOf } from "../../lib/errors";
import { run } from "../../lib/process";

const APPLY_TIMEOUT_MS = 10_000;

/** `current`; `absent` while there is no such namespace; any other text says why the rules could not be applied. */
export type NodeState = string;

/** Applies rules in the network namespaces of a cluster's nodes. */
export class Nodes {
    private readonly applied = new Map<string, string>();

    /** @param names of network namespaces, as in `ip netns` */
    constructor(private readonly names: string[]) {}

    /**
     * Loads the text with `nft` where something else was loaded last. A namespace that was made anew under its old name
     * counts as empty. One node's failure does not keep the others from getting the rules.
     *
     * @returns what each node holds now, and the names of those that were changed
     */
    async apply(text: string): Promise<{ states: Record<string, NodeState>; changed: string[] }> {
        const hash = hashOf(text);
        const changed: string[] = [];
        const states = await Promise.all(
            this.names.map(async (name): Promise<[string, NodeState]> => {
                try {
                    const identity = await identityOf(name);
                    if (identity === undefined) return [name, "absent"];
                    const wanted = `${identity} ${hash}`;
                    if (this.applied.get(name) !== wanted) {
                        await run("nsenter", [`--net=${pathOf(name)}`, "nft", "-f", "-"], {
                            input: text,
                            timeout: APPLY_TIMEOUT_MS,
                        });
                        this.applied.set(name, wanted);
                        changed.push(name);
                    }
                    return [name, "current"];
                } catch (error) {
                    this.applied.delete(name);
                    return [name, messageOf(error)];
                }
            }),
        );
        return { states: Object.fromEntries(states), changed };
    }
}

/** A short name for a text by its content. */
export function hashOf(text: string): string {
    return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

function pathOf(name: string): string {
    return `/run/netns/${name}`;
}

/** Inode numbers of namespaces are reused, their creation times are not. */
async function identityOf(name: string): Promise<string | undefined> {
    try {
        const { ino, ctimeNs } = await stat(pathOf(name), { bigint: true });
        return `${ino}@${ctimeNs}`;
    } catch (error) {
        if (hasCode(error, "ENOENT")) return undefined;
        throw error;
    }
}
