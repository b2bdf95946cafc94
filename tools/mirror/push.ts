import { createHash } from "node:crypto";
import { createReadStream, renameSync, statSync } from "node:fs";
import { join } from "node:path";

import { run } from "../lib/process";
import { digestOf, MANIFEST_TYPE, putBlob, putManifest, REGISTRY } from "../images/registryApi";
import { normaliseModes } from "./rootfs";

/** How a container of an image runs, in the terms of the OCI image configuration. */
export interface RunConfig {
    /** Numeric, so that Kubernetes can see that it is not root. Default: root. */
    User?: string;
    Entrypoint?: string[];
    Cmd?: string[];
    Env?: string[];
    WorkingDir?: string;
    StopSignal?: string;
    Labels?: Record<string, string>;
}

/** A finished layer: a gzipped tar file. */
export interface Layer {
    /** Digest and size in bytes of the gzipped file. */
    digest: string;
    size: number;
    /** Digest of the tar inside. */
    diffId: string;
}

/** A single-layer image, ready to be pushed. */
export interface Image {
    /** Digest of the manifest, by which the image is referenced. */
    digest: string;
    manifest: Buffer;
    config: Buffer;
}

export const LAYER_FILE = "layer.tar.gz";

/** Packs a tree as `layer.tar.gz` into a directory. Equal content gives an equal digest on any day and machine. */
export async function packLayer(root: string, directory: string): Promise<Layer> {
    normaliseModes(root);
    const tar = join(directory, "layer.tar");
    const reproducible = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--format=ustar"];
    await run("tar", [...reproducible, "--create", "--file", tar, "--directory", root, "."]);
    const diffId = await digestOfFile(tar);
    // The gzip program, not Node's zlib: its output does not change with the Node version.
    await run("gzip", ["--no-name", "-6", tar]);
    const file = join(directory, LAYER_FILE);
    renameSync(`${tar}.gz`, file);
    return { digest: await digestOfFile(file), size: statSync(file).size, diffId };
}

/** Configuration and manifest of an image of one layer. */
export function composeImage(layer: Layer, config: RunConfig): Image {
    const configuration = encode({
        created: "1970-01-01T00:00:00Z",
        architecture: "amd64",
        os: "linux",
        config,
        rootfs: { type: "layers", diff_ids: [layer.diffId] },
        history: [{ created: "1970-01-01T00:00:00Z", created_by: "distributed-patterns" }],
    });
    const manifest = encode({
        schemaVersion: 2,
        mediaType: MANIFEST_TYPE,
        config: {
            mediaType: "application/vnd.oci.image.config.v1+json",
            digest: digestOfBytes(configuration),
            size: configuration.length,
        },
        layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: layer.digest, size: layer.size }],
    });
    return { digest: digestOfBytes(manifest), manifest, config: configuration };
}

/** Pushes an image under a tag, unless the registry has it there already. */
export async function pushImage(
    image: Image,
    layer: Layer,
    layerFile: string,
    repository: string,
    tag: string,
    address = REGISTRY,
): Promise<void> {
    if ((await digestOf(repository, tag, address)) === image.digest) return;
    await putBlob(repository, layer.digest, { file: layerFile, size: layer.size }, address);
    await putBlob(repository, digestOfBytes(image.config), image.config, address);
    await putManifest(repository, tag, image.manifest, address);
}

function encode(value: unknown): Buffer {
    return Buffer.from(JSON.stringify(value));
}

function digestOfBytes(bytes: Buffer): string {
    return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

async function digestOfFile(file: string): Promise<string> {
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
    return `sha256:${hash.digest("hex")}`;
}
