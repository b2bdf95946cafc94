import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { run } from "../../tools/lib/process";
import { readmeProgram, writeReadmeProgram } from "../support/readmeProgram";
import { digests, testEnvironment } from "../support/testCluster";

describe("the README's program", function () {
    // With stock settings the CLI type-checks the program and the components.
    this.timeout(120_000);
    const directory = mkdtempSync(join(tmpdir(), "dp-reuse-"));
    before(() => writeReadmeProgram(directory));
    after(() => rmSync(directory, { recursive: true }));

    it("previews outside of this checkout, through its own provider into its own namespace", async () => {
        const { pulumi, target } = testEnvironment();
        const env = {
            ...pulumi.env,
            PULUMI_BACKEND_URL: pathToFileURL(directory).href,
            PULUMI_CONFIG_PASSPHRASE: "reuse",
            KUBECONFIG: target.kubeconfig,
        };
        const cli = (...args: string[]) => run(pulumi.command, [...args, "--non-interactive"], { cwd: directory, env });
        await cli("stack", "init", "dev");
        const images = digests();
        const config: Record<string, string> = {
            context: target.context,
            image: images["legacy-service"],
            agentImage: images["certificate-agent"],
            bootstrapImage: images.bootstrap,
            // Whatever the program left to a default provider would fail.
            "pulumi:disable-default-providers[0]": "*",
        };
        for (const [, key] of readmeProgram().matchAll(/config\.require\("(\w+)"\)/g))
            assert.ok(config[key], `a value for ${key}`);
        for (const [key, value] of Object.entries(config)) await cli("config", "set", "--path", key, value);

        const { stdout } = await cli("preview", "--json");
        const { steps } = JSON.parse(stdout) as {
            steps: { newState: { type: string; provider?: string; inputs: { metadata?: { namespace?: string } } } }[];
        };
        const made = steps.map(({ newState }) => newState).filter(({ type }) => type.startsWith("kubernetes:"));
        assert.equal(made.filter(({ type }) => type === "kubernetes:apps/v1:Deployment").length, 1);
        for (const { type, provider } of made)
            assert.match(provider!, /::pulumi:providers:kubernetes::lab::/, `${type} through the program's provider`);
        const namespaces = new Set(made.map(({ inputs }) => inputs.metadata?.namespace));
        // The Namespace itself is in none.
        assert.equal(namespaces.size, 2, [...namespaces].join());
        assert.match([...namespaces].join(), /\bshop-/);
    });
});
