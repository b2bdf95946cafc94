import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
    chmodSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readFileSync,
    rmSync,
    statSync,
    symlinkSync,
    utimesSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

import { run } from "../../../tools/lib/process";
import { composeImage, Layer, packLayer } from "../../../tools/mirror/push";
import { writeBasics } from "../../../tools/mirror/rootfs";

const sha256 = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

describe("image layer", () => {
    let directory: string;
    beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "layer-"))));
    afterEach(() => rmSync(directory, { recursive: true }));

    /** The same small image, made under different circumstances. */
    async function pack(
        name: string,
        options: { umask: number; mtime: number; order: string[]; text?: string },
    ): Promise<Layer> {
        const [root, out] = [join(directory, name, "root"), join(directory, name, "out")];
        mkdirSync(root, { recursive: true });
        mkdirSync(out, { recursive: true });
        const before = process.umask(options.umask);
        try {
            for (const file of options.order) writeFileSync(join(root, file), options.text ?? file);
            chmodSync(join(root, "program"), 0o700);
            writeBasics(root, [{ name: "nonroot", id: 65532 }]);
            symlinkSync("program", join(root, "link"));
            for (const file of options.order) utimesSync(join(root, file), options.mtime, options.mtime);
        } finally {
            process.umask(before);
        }
        return packLayer(root, out);
    }

    it("has the same digest whenever and by whomever its content is laid out", async () => {
        const first = await pack("first", { umask: 0o022, mtime: 1, order: ["a", "b", "program"] });
        const second = await pack("second", { umask: 0o077, mtime: 1e9, order: ["program", "b", "a"] });
        assert.deepEqual(second, first);
    });

    it("has another digest for other content", async () => {
        const first = await pack("first", { umask: 0o022, mtime: 1, order: ["a", "program"] });
        const second = await pack("second", { umask: 0o022, mtime: 1, order: ["a", "program"], text: "other" });
        assert.notEqual(second.digest, first.digest);
    });

    it("leaves alone what its links lead to outside", async () => {
        const outside = join(directory, "outside");
        mkdirSync(outside);
        writeFileSync(join(outside, "secret"), "");
        for (const path of [outside, join(outside, "secret")]) chmodSync(path, 0o700);
        const root = join(directory, "linked");
        mkdirSync(root);
        symlinkSync(outside, join(root, "run"));
        symlinkSync(join(outside, "secret"), join(root, "file"));
        await packLayer(root, directory);
        for (const path of [outside, join(outside, "secret")]) assert.equal(statSync(path).mode & 0o777, 0o700, path);
    });

    it("states the digests of the file and of the tar inside, and leaves nothing else behind", async () => {
        const layer = await pack("first", { umask: 0o022, mtime: 1, order: ["program"] });
        const file = readFileSync(join(directory, "first/out/layer.tar.gz"));
        assert.deepEqual(layer, { digest: sha256(file), size: file.length, diffId: sha256(gunzipSync(file)) });
        assert.equal(existsSync(join(directory, "first/out/layer.tar")), false);
    });

    it("keeps neither the file system's order nor the time of packing", async () => {
        const order = [..."qwertzuiopasdfghjkl", "program"];
        await pack("first", { umask: 0o022, mtime: 1, order });
        const file = join(directory, "first/out/layer.tar.gz");
        const { stdout } = await run("tar", ["--list", "--gzip", "--file", file]);
        const files = stdout.split("\n").filter((path) => order.includes(path.slice(2)));
        assert.deepEqual(files, order.map((name) => `./${name}`).sort());
        const [flags, ...time] = readFileSync(file).subarray(3, 8);
        assert.deepEqual({ flags, time }, { flags: 0, time: [0, 0, 0, 0] });
    });

    it("gives everything to root and lets every user read, but none write outside /tmp", async () => {
        await pack("first", { umask: 0o077, mtime: 1, order: ["a", "program"] });
        const { stdout } = await run("tar", [
            "--list",
            "--verbose",
            "--gzip",
            "--file",
            join(directory, "first/out/layer.tar.gz"),
        ]);
        const modes = Object.fromEntries(
            stdout
                .trim()
                .split("\n")
                .map((line) => {
                    const [mode, owner, , , , path] = line.split(/\s+/);
                    return [path, `${mode} ${owner}`];
                }),
        );
        assert.deepEqual(modes, {
            "./": "drwxr-xr-x 0/0",
            "./a": "-rw-r--r-- 0/0",
            "./etc/": "drwxr-xr-x 0/0",
            "./etc/group": "-rw-r--r-- 0/0",
            "./etc/nsswitch.conf": "-rw-r--r-- 0/0",
            "./etc/passwd": "-rw-r--r-- 0/0",
            "./link": "lrwxrwxrwx 0/0",
            "./program": "-rwxr-xr-x 0/0",
            "./tmp/": "drwxrwxrwt 0/0",
        });
    });
});

describe("single-layer image", () => {
    const layer: Layer = { digest: "sha256:aa", size: 12, diffId: "sha256:bb" };
    const image = composeImage(layer, { User: "65532", Entrypoint: ["/x"] });
    const manifest = JSON.parse(image.manifest.toString());
    const config = JSON.parse(image.config.toString());

    it("has a manifest that names configuration and layer by digest and size", () => {
        assert.equal(image.digest, sha256(image.manifest));
        assert.equal(manifest.config.digest, sha256(image.config));
        assert.equal(manifest.config.size, image.config.length);
        assert.deepEqual(manifest.layers, [
            { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: "sha256:aa", size: 12 },
        ]);
    });

    it("has a configuration with the tar's digest and how to run it", () => {
        assert.deepEqual(config.rootfs, { type: "layers", diff_ids: ["sha256:bb"] });
        assert.deepEqual(config.config, { User: "65532", Entrypoint: ["/x"] });
        assert.equal(`${config.os}/${config.architecture}`, "linux/amd64");
    });

    it("has another digest when it runs otherwise", () => {
        assert.notEqual(composeImage(layer, { User: "0", Entrypoint: ["/x"] }).digest, image.digest);
    });
});
