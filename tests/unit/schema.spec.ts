import assert from "node:assert/strict";
import { join } from "node:path";

import * as pulumi from "@pulumi/pulumi";
import { Analyzer } from "@pulumi/pulumi/provider/experimental/analyzer";

import * as library from "../../components";
import packageJson from "../../components/package.json";

interface Described {
    optional?: boolean;
    description?: string;
}

describe("the components as a package for other languages", () => {
    const names = Object.entries(library).flatMap(([name, value]) =>
        typeof value === "function" && value.prototype instanceof pulumi.ComponentResource ? [name] : [],
    );

    it("can be expressed: every argument and output has a type of the schema and a description", function () {
        // The analysis type-checks the package.
        this.timeout(60_000);
        assert.ok(names.length > 0);
        const analyzer = new Analyzer(
            join(__dirname, "../../components"),
            packageJson.name,
            packageJson,
            new Set(names),
        );
        const { components, typeDefinitions } = analyzer.analyze();
        assert.deepEqual(Object.keys(components).sort(), names.sort());

        const described = (place: string, properties: Record<string, Described>) => {
            for (const [key, { description }] of Object.entries(properties))
                assert.ok(description, `${place}.${key} says what it means`);
        };
        for (const [name, { inputs, outputs }] of Object.entries(components)) {
            described(name, inputs);
            described(name, outputs);
            const required = Object.entries<Described>(inputs)
                .filter(([, { optional }]) => !optional)
                .map(([key]) => key);
            assert.ok(required.length <= 3, `${name} requires ${required.join(", ")}`);
        }
        for (const [name, { properties = {} }] of Object.entries(typeDefinitions)) described(name, properties);
    });
});
