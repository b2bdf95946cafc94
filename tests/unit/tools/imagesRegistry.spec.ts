import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, Server } from "node:http";
import { AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { registryConfig, storageOf } from "../../../tools/images/registry";
import { digestOf, exists, probe, putBlob, putManifest } from "../../../tools/images/registryApi";
import { startDaemon, stopDaemon } from "../../../tools/lib/daemon";
import { findCommand } from "../../../tools/lib/debian";
import { composeImage, packLayer, pushImage } from "../../../tools/mirror/push";
import { skipAll } from "../../support/skip";

async function freePort(): Promise<number> {
    const server = createTcpServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    return port;
}

describe("registry configuration", () => {
    const options = { address: "127.0.0.1:1", storage: '/data/a "b" }', readOnly: false };

    it("gives back the storage directory, whatever its name", () => {
        assert.equal(storageOf(registryConfig(options)), options.storage);
    });

    it("lets only the writable registry delete", () => {
        assert.match(registryConfig(options), /delete: { enabled: true }[^]*readonly: { enabled: false }/);
        assert.match(
            registryConfig({ ...options, readOnly: true }),
            /delete: { enabled: false }[^]*readonly: { enabled: true }/,
        );
    });
});

describe("registry probe", () => {
    it("tells an address where nothing listens from one with something else", async () => {
        const port = await freePort();
        assert.equal(await probe(`127.0.0.1:${port}`), "nothing");
        const server: Server = createServer((_, response) => response.end("hello")).listen(port, "127.0.0.1");
        await new Promise((resolve) => server.once("listening", resolve));
        try {
            assert.equal(await probe(`127.0.0.1:${port}`), "other");
        } finally {
            server.closeAllConnections();
            server.close();
        }
    });
});

describe("registry", () => {
    const names = ["writable", "replica"] as const;
    let directory: string;
    let writable: string;
    let replica: string;

    before(async function () {
        const command = await findCommand("docker-registry");
        if (!command) skipAll(this, "needs docker-registry");
        directory = mkdtempSync(join(tmpdir(), "registry-"));
        const start = async (name: (typeof names)[number]) => {
            const address = `127.0.0.1:${await freePort()}`;
            const config = join(directory, `${name}.yml`);
            writeFileSync(
                config,
                registryConfig({ address, storage: join(directory, "storage"), readOnly: name === "replica" }),
            );
            await startDaemon(
                { name, directory, command: [command, "serve", config] },
                { check: async () => (await probe(address)) === "registry" },
            );
            return address;
        };
        writable = await start("writable");
        replica = await start("replica");
    });

    after(async () => {
        if (!directory) return;
        for (const name of names) await stopDaemon({ name, directory });
        rmSync(directory, { recursive: true });
    });

    async function sample(text: string) {
        const work = mkdtempSync(join(directory, "work-"));
        mkdirSync(join(work, "root"));
        writeFileSync(join(work, "root", "file"), text);
        const layer = await packLayer(join(work, "root"), work);
        return { layer, image: composeImage(layer, { User: "1" }), file: join(work, "layer.tar.gz") };
    }

    it("has no image before the first push", async () => {
        assert.equal(await digestOf("some/where", "1", writable), undefined);
        assert.equal(await exists("some/where", "1", writable), false);
    });

    it("accepts an image and knows it by the digest that was worked out for it", async () => {
        const { layer, image, file } = await sample("one");
        await pushImage(image, layer, file, "some/image", "1", writable);
        assert.equal(await digestOf("some/image", "1", writable), image.digest);
        assert.equal(await exists("some/image", image.digest, writable), true);
    });

    it("moves a tag to another image", async () => {
        const [first, second] = [await sample("first"), await sample("second")];
        for (const { image, layer, file } of [first, second])
            await pushImage(image, layer, file, "some/moved", "1", writable);
        assert.equal(await digestOf("some/moved", "1", writable), second.image.digest);
        assert.equal(await exists("some/moved", first.image.digest, writable), true);
    });

    it("shows what was pushed through a read-only replica, which itself refuses a push", async () => {
        const { layer, image, file } = await sample("shared");
        await pushImage(image, layer, file, "some/shared", "1", writable);
        assert.equal(await digestOf("some/shared", "1", replica), image.digest);
        const other = await sample("other");
        await assert.rejects(
            pushImage(other.image, other.layer, other.file, "some/shared", "2", replica),
            /registry answered 405/,
        );
    });

    it("refuses content that is not what its digest says", async () => {
        const digest = `sha256:${"0".repeat(64)}`;
        await assert.rejects(
            putBlob("some/image", digest, Buffer.from("x"), writable),
            /registry answered 400 to PUT .*DIGEST_INVALID/,
        );
    });

    it("refuses a manifest whose layer it does not have", async () => {
        const { image } = await sample("never pushed");
        await assert.rejects(
            putManifest("some/image", "2", image.manifest, writable),
            /registry answered 4\d\d to PUT .*BLOB_UNKNOWN/,
        );
    });
});
