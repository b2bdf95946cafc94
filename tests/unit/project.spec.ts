import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { parse } from "yaml";

import { configKeys } from "../../stacks/config";
import { scenarios } from "../../stacks/registry";

const checkout = join(__dirname, "../..");
const yaml = (...path: string[]) => parse(readFileSync(join(checkout, ...path), "utf8"));

describe("the project", () => {
    const project = yaml("Pulumi.yaml");

    it("declares in Pulumi.yaml the keys that the stacks know, each with type, default and description", () => {
        assert.deepEqual(Object.keys(project.config), configKeys);
        for (const [key, { type, default: fallback, description, ...rest }] of Object.entries<any>(project.config)) {
            assert.equal(typeof fallback, type, `${key}: without a default the CLI would demand a value`);
            assert.match(description, /^[A-Z].*\.$/, key);
            assert.deepEqual(rest, {}, key);
        }
    });

    it("has a stack file for each scenario, and no other", () => {
        const files = readdirSync(join(checkout, project.stackConfigDir)).filter((file) => file.endsWith(".yaml"));
        assert.deepEqual(
            files.sort(),
            Object.keys(scenarios)
                .map((name) => `Pulumi.${name}.yaml`)
                .sort(),
        );
    });

    for (const [name, load] of Object.entries(scenarios)) {
        it(`${name} can be loaded, and its stack file holds known keys and no secrets`, async () => {
            assert.equal(typeof (await load()).run, "function");
            const { config, ...rest } = yaml("stacks", `Pulumi.${name}.yaml`);
            assert.deepEqual(rest, {}, "neither an encryption salt nor a key");
            assert.deepEqual(config["pulumi:disable-default-providers"], ["*"]);
            for (const [key, value] of Object.entries<any>(config)) {
                assert.equal(value?.secure, undefined, key);
                const [owner, name] = key.split(":");
                if (owner !== "pulumi")
                    assert.ok(
                        configKeys.some((known) => known === name),
                        key,
                    );
            }
        });
    }
});
