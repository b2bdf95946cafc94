import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";

import { waitFor } from "../../tools/lib/process";
import { kubectl } from "../support/kubectl";
import { IDLE, skipUnlessFromModules, TestNamespace } from "./support/testNamespace";

describe("storage", function () {
    this.timeout(120_000);
    let namespace: TestNamespace;
    let volume: string;
    let node: string;

    before(async function () {
        skipUnlessFromModules(this);
        namespace = await TestNamespace.open("storage");
        // No storage class: the cluster's default one.
        const spec = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "16Mi" } } };
        await namespace.apply({ apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: { name: "data" }, spec });
    });
    after(() => namespace?.close());

    const withClaim = {
        spec: { volumes: [{ name: "data", persistentVolumeClaim: { claimName: "data" } }] },
        container: { volumeMounts: [{ name: "data", mountPath: "/data" }] },
    };

    it("of the default class waits for the claim's first pod, which is not root and may write", async () => {
        assert.equal(await namespace.get("pvc/data", ".status.phase"), "Pending");
        await namespace.run("writer", IDLE, withClaim);
        await namespace.evaluate("writer", 'require("node:fs").writeFileSync("/data/text", "kept")');
        volume = await namespace.get("pvc/data", ".spec.volumeName");
        node = await namespace.get("pod/writer", ".spec.nodeName");
        assert.equal(await namespace.get("pvc/data", ".status.phase"), "Bound");
    });

    it("keeps what was written for the next pod, which comes to the same node", async () => {
        await namespace.kubectl(["delete", "pod", "writer"]);
        await namespace.run("reader", IDLE, withClaim);
        assert.equal(
            await namespace.evaluate("reader", 'return require("node:fs").readFileSync("/data/text", "utf8")'),
            "kept",
        );
        assert.equal(await namespace.get("pod/reader", ".spec.nodeName"), node);
    });

    it("is removed with its claim, data and all", async () => {
        const path = await kubectl(["get", "pv", volume, "-o", "jsonpath={.spec.local.path}"]);
        assert.deepEqual(readdirSync(path), ["text"]);
        await namespace.kubectl(["delete", "pod/reader", "pvc/data"]);
        await waitFor(
            `end of the volume ${volume}`,
            async () => (await kubectl(["get", "pv", volume, "--ignore-not-found", "-o", "name"])) === "",
        );
        assert.equal(existsSync(path), false);
    });
});
