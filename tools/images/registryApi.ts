import { createReadStream } from "node:fs";
import { IncomingHttpHeaders, request as httpRequest } from "node:http";
import { pipeline } from "node:stream/promises";

/** Address of the local registry, as image references name it. */
export const REGISTRY = "127.0.0.1:5001";

export const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
const ACCEPTED_MANIFESTS = [
    MANIFEST_TYPE,
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
].join(", ");

/** Content of a request: bytes in memory, or a file and its size in bytes. */
export type Content = Buffer | { file: string; size: number };

interface Answer {
    status: number;
    headers: IncomingHttpHeaders;
    body: string;
}

/** What answers at an address: a registry, something else, or nothing. */
export async function probe(address: string): Promise<"registry" | "other" | "nothing"> {
    try {
        const { status, headers } = await send(address, "GET", "/v2/");
        return status === 200 && headers["docker-distribution-api-version"] === "registry/2.0" ? "registry" : "other";
    } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        return code === "ECONNREFUSED" || code === "EADDRNOTAVAIL" || code === "ENETUNREACH" ? "nothing" : "other";
    }
}

/**
 * Digest of the manifest under a tag or digest, or undefined if the registry has none.
 *
 * @throws Error naming repository and status on any answer but 200 and 404
 */
export async function digestOf(repository: string, tag: string, address = REGISTRY): Promise<string | undefined> {
    const path = `/v2/${repository}/manifests/${tag}`;
    const { status, headers } = await send(address, "HEAD", path, { accept: ACCEPTED_MANIFESTS });
    if (status === 404) return undefined;
    expectStatus(status, 200, `HEAD ${path}`);
    return String(headers["docker-content-digest"]);
}

/** Whether the registry has a manifest under this tag or digest. */
export async function exists(repository: string, reference: string, address = REGISTRY): Promise<boolean> {
    return (await digestOf(repository, reference, address)) !== undefined;
}

/** Uploads a layer or configuration unless the repository has it. */
export async function putBlob(repository: string, digest: string, content: Content, address = REGISTRY): Promise<void> {
    const blobs = `/v2/${repository}/blobs`;
    if ((await send(address, "HEAD", `${blobs}/${digest}`)).status === 200) return;
    const upload = await send(address, "POST", `${blobs}/uploads/`);
    expectStatus(upload.status, 202, `POST ${blobs}/uploads/`, upload.body);
    const target = new URL(upload.headers.location ?? "", `http://${address}`);
    target.searchParams.set("digest", digest);
    const put = await send(
        address,
        "PUT",
        target.pathname + target.search,
        { "content-type": "application/octet-stream" },
        content,
    );
    expectStatus(put.status, 201, `PUT ${blobs}/${digest}`, put.body);
}

/** Stores a manifest under a tag. Its blobs must be there already. */
export async function putManifest(
    repository: string,
    tag: string,
    manifest: Buffer,
    address = REGISTRY,
): Promise<void> {
    const path = `/v2/${repository}/manifests/${tag}`;
    const { status, body } = await send(address, "PUT", path, { "content-type": MANIFEST_TYPE }, manifest);
    expectStatus(status, 201, `PUT ${path}`, body);
}

function expectStatus(status: number, expected: number, what: string, body = ""): void {
    if (status !== expected) throw new Error(`registry answered ${status} to ${what}: ${body.trim().slice(0, 300)}`);
}

function send(
    address: string,
    method: string,
    path: string,
    headers: Record<string, string> = {},
    content?: Content,
): Promise<Answer> {
    return new Promise((resolve, reject) => {
        const length =
            content === undefined ? {} : { "content-length": Buffer.isBuffer(content) ? content.length : content.size };
        // Uploads may take long, but never stand still for long.
        const request = httpRequest(`http://${address}${path}`, {
            method,
            headers: { ...headers, ...length },
            timeout: 30_000,
            agent: false,
        });
        request.on("timeout", () =>
            request.destroy(new Error(`no answer from the registry at ${address} within 30 s`)),
        );
        request.on("error", reject);
        request.on("response", (response) => {
            let body = "";
            response.setEncoding("utf8").on("data", (text: string) => (body += text));
            response.on("error", reject);
            response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
        });
        if (content === undefined || Buffer.isBuffer(content)) request.end(content);
        else pipeline(createReadStream(content.file), request).catch(reject);
    });
}
