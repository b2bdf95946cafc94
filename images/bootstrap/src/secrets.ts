import type { Logger } from "../../kit";
import { KubernetesApiError, KubernetesClient, KubernetesObject, Secret } from "../../kit/kubernetes";
import type { Specification } from "./specification";

/** Marks the Secrets that this image made and may change. */
export const MANAGED_BY = { "distributed-patterns/managed-by": "bootstrap" } as const;

const MAX_ATTEMPTS = 10;

export type OwnerReference = NonNullable<KubernetesObject["metadata"]["ownerReferences"]>[number];

/** What a Secret is to hold, in plain text, and why it is written. */
export interface Change {
    /** Type of the Secret when it is made; it cannot be changed afterwards. */
    type: string;
    data: Record<string, string>;
    reason: string;
}

/** The Secrets of this namespace as the bootstrap may see and change them. */
export class Secrets {
    constructor(
        private readonly client: KubernetesClient,
        private readonly log: Pick<Logger, "info" | "warn">,
    ) {}

    /**
     * Brings one Secret to what `decide` wants, over and over until no other writer was faster. A Secret that was not
     * made here is left alone.
     *
     * @param decide the change for what the Secret holds now (undefined: it does not exist); undefined keeps it
     * @returns what the Secret holds in the end
     */
    async reconcile(
        name: string,
        decide: (data: Record<string, string> | undefined) => Promise<Change | undefined>,
        owner?: OwnerReference,
    ): Promise<Record<string, string>> {
        const reference = { apiVersion: "v1", resource: "secrets", name };
        for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
            const existing = await this.client.get<Secret>(reference);
            const data = existing && decoded(existing);
            if (existing && data && !isManaged(existing)) {
                this.log.info({ secret: name }, "left alone: it exists and was not made by bootstrap");
                return data;
            }
            const change = (await decide(data)) ?? (existing && adoption(existing, owner));
            if (!change) {
                this.log.info({ secret: name }, "unchanged");
                return data ?? {};
            }
            const body = secretWith(existing, name, change, owner);
            try {
                if (existing) await this.client.replace(reference, body);
                else await this.client.create(reference, body);
                this.log.info({ secret: name, reason: change.reason }, existing ? "changed" : "created");
                return change.data;
            } catch (error) {
                // Another run was faster: its result counts. 404: the Secret was deleted in between.
                if (!(error instanceof KubernetesApiError) || ![404, 409].includes(error.status)) throw error;
            }
        }
        throw new Error(`Secret ${name} was changed by others ${MAX_ATTEMPTS} times while this run tried to write it`);
    }

    /** The owner reference for an object of this namespace. @throws Error when there is no such object */
    async ownerReference(owner: NonNullable<Specification["owner"]>): Promise<OwnerReference> {
        const { apiVersion, kind, name } = owner;
        const resource = await this.client.resourceOf(apiVersion, kind);
        const object = await this.client.get({ apiVersion, resource, name });
        if (!object?.metadata.uid)
            throw new Error(`owner: there is no ${kind} ${name} in namespace ${this.client.namespace}`);
        return { apiVersion, kind, name, uid: object.metadata.uid };
    }
}

function isManaged({ metadata: { labels = {} } }: Secret): boolean {
    return Object.entries(MANAGED_BY).every(([key, value]) => labels[key] === value);
}

/** Without it, a Secret would go with an earlier owner of the same name, or outlive the one it should have. */
function adoption(existing: Secret, owner: OwnerReference | undefined): Change | undefined {
    const { ownerReferences = [] } = existing.metadata;
    if (!owner || ownerReferences.some(({ uid }) => uid === owner.uid)) return undefined;
    return { type: existing.type ?? "Opaque", data: decoded(existing), reason: "it has another owner" };
}

function secretWith(existing: Secret | undefined, name: string, change: Change, owner?: OwnerReference): Secret {
    const metadata = existing?.metadata ?? { name };
    return {
        apiVersion: "v1",
        kind: "Secret",
        metadata: {
            ...metadata,
            labels: { ...metadata.labels, ...MANAGED_BY },
            ...(owner && { ownerReferences: [owner] }),
        },
        type: existing?.type ?? change.type,
        data: mapValues(change.data, (text) => Buffer.from(text).toString("base64")),
    };
}

function decoded({ data = {} }: Secret): Record<string, string> {
    return mapValues(data, (text) => Buffer.from(text, "base64").toString());
}

function mapValues(record: Record<string, string>, change: (text: string) => string): Record<string, string> {
    return Object.fromEntries(Object.entries(record).map(([key, text]) => [key, change(text)]));
}
