import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

import { parse } from "yaml";

import { imageNames } from "../../images/bundle";
import { describeImage, ImageDeclaration } from "../../images/kit";
import { createContext } from "../../stacks/context";
import { scenarios } from "../../stacks/registry";
import { withBlocks } from "../../tools/docs/blocks";
import { commonApi, containerApi } from "../../tools/docs/containerApi";
import { diagram, Link } from "../../tools/docs/diagram";
import { argumentTable, fieldsOf, outputTable } from "../../tools/docs/fields";
import { checkout } from "../../tools/lib/paths";
import { recordResources, settled } from "../support/mocks";

const update = process.env.UPDATE_DOCS === "1";
const read = (path: string) => readFileSync(join(checkout, path), "utf8");

/** Interfaces that have a section of their own on the page of shared arguments, by the file that declares them. */
const shared: Record<string, string> = {
    ResourceArgs: "core/resources.ts",
    DisruptionBudgetArgs: "core/availability.ts",
    SpreadArgs: "core/availability.ts",
    NetworkPolicyArgs: "core/networkPolicy.ts",
    CertificateIssuerArgs: "infrastructure/certificate.ts",
};

/** What is generated on the page of a pattern. */
interface Pattern {
    /** File below `components/` and name of its component. */
    component: [file: string, name: string];
    /** Interfaces that the page has a table of, by the file that declares them. */
    arguments: Record<string, string>;
    /** Connections that no Kubernetes object states. */
    links: Link[];
}

const patterns: Record<string, Pattern> = {
    "ch02-https-sidecar": {
        component: ["single-node/httpsSidecar.ts", "HttpsSidecar"],
        arguments: {
            HttpsSidecarArgs: "single-node/httpsSidecar.ts",
            HttpsTlsArgs: "single-node/httpsSidecar.ts",
            HttpsProxyArgs: "single-node/httpsProxy.ts",
            AddHttpsSidecarArgs: "single-node/httpsSidecarPod.ts",
        },
        links: [{ from: "nginx", to: "app", label: "HTTP on localhost:$APP_PORT" }],
    },
    "ch02-topz": {
        component: ["single-node/topz.ts", "TopzSidecar"],
        arguments: { TopzSidecarArgs: "single-node/topz.ts", AddTopzSidecarArgs: "single-node/topz.ts" },
        links: [{ from: "topz", to: "app", label: "reads /proc" }],
    },
};

describe("the documentation (UPDATE_DOCS=1 brings what is generated up to date)", () => {
    for (const [scenario, pattern] of Object.entries(patterns)) {
        it(`of ${scenario} draws and lists what the code has`, async () => {
            const [file, component] = pattern.component;
            const pages = Object.fromEntries([
                ...Object.keys(shared).map((name) => [name, `shared-arguments.md#${name.toLowerCase()}`]),
                ...Object.keys(pattern.arguments).map((name) => [name, `#${name.toLowerCase()}`]),
            ]);
            await assertCurrent(`docs/patterns/${scenario}.md`, {
                diagram: `\`\`\`mermaid\n${diagram(await resourcesOf(scenario), pattern.links)}\n\`\`\``,
                proofs: proofs(`tests/e2e/${scenario}.spec.ts`),
                outputs: outputTable(fieldsOf(componentFile(file), component)),
                ...tables(pattern.arguments, pages),
            });
        });
    }

    it("of shared arguments lists them all", () =>
        assertCurrent("docs/patterns/shared-arguments.md", tables(shared, {})));

    it("of the images is what they declare", async () => {
        const images: Record<string, string> = {};
        for (const name of imageNames()) {
            const { declaration } = (await import(join(checkout, "images", name, "src/declaration"))) as {
                declaration: ImageDeclaration;
            };
            images[name] = containerApi(describeImage(declaration));
        }
        await assertCurrent("docs/images.md", { services: commonApi("service"), jobs: commonApi("job"), ...images });
    });

    it("has a page for each scenario that works, and the README says so of no other", () => {
        const rows = [...read("README.md").matchAll(/^\| +(.*?) +\| .* \| +(works, tested|planned) +\|$/gm)];
        const names = (state: string) => rows.filter((row) => row[2] === state).map((row) => row[1]);
        const working = Object.keys(scenarios);
        assert.deepEqual(
            names("works, tested"),
            working.map((name) => `[${name}](docs/patterns/${name}.md)`),
        );
        assert.deepEqual(Object.keys(patterns), working);
        const planned = names("planned");
        assert.ok(planned.length > 0 && new Set(planned).size === planned.length);
        for (const name of planned) assert.match(name, /^ch\d\d-[a-z-]+$/);
    });

    for (const page of ["README.md", ...markdownIn("docs")]) {
        it(`${page}: links lead somewhere, and make has the targets`, () => {
            const text = read(page);
            for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
                if (/^https?:/.test(target)) continue;
                const [path, anchor] = target.split("#");
                const file = path ? join(dirname(page), path) : page;
                assert.ok(existsSync(join(checkout, file)), `${target}: there is no ${file}`);
                if (anchor) assert.ok(anchorsOf(read(file)).includes(anchor), `${target}: ${file} has no such heading`);
            }
            for (const target of makeTargets(text)) assert.ok(isMakeTarget(target), `make ${target}`);
        });
    }
});

/** Fails when a page's generated blocks are not those given; with UPDATE_DOCS=1 it writes them instead. */
async function assertCurrent(page: string, blocks: Record<string, string>): Promise<void> {
    const { format, resolveConfig } = await import("prettier");
    const file = join(checkout, page);
    const text = readFileSync(file, "utf8");
    const current = await format(withBlocks(text, blocks), { ...(await resolveConfig(file)), filepath: file });
    if (update) writeFileSync(file, current);
    else assert.equal(text, current);
}

/** The resources of a scenario as it stands after `up`. */
async function resourcesOf(scenario: string) {
    const declared: Record<string, { default: unknown }> = parse(read("Pulumi.yaml")).config;
    const committed: Record<string, unknown> = parse(read(`stacks/Pulumi.${scenario}.yaml`)).config;
    const own = Object.entries(committed).filter(([key]) => !key.startsWith("pulumi:"));
    const digest = `@sha256:${"0".repeat(64)}`;
    const images = Object.fromEntries(imageNames().map((name) => [name, `registry.example.com/${name}${digest}`]));
    const config = {
        ...Object.fromEntries(Object.entries(declared).map(([key, { default: value }]) => [key, String(value)])),
        ...Object.fromEntries(own.map(([key, value]) => [key.split(":")[1], String(value)])),
        context: "lab",
        images: JSON.stringify(images),
    };
    const recorded = await recordResources({ stack: scenario, config });
    const { run } = await scenarios[scenario]();
    run(await createContext());
    await settled();
    return recorded;
}

function tables(interfaces: Record<string, string>, pages: Record<string, string>): Record<string, string> {
    return Object.fromEntries(
        Object.entries(interfaces).map(([name, file]) => [
            name,
            argumentTable(fieldsOf(componentFile(file), name), pages),
        ]),
    );
}

function componentFile(file: string): string {
    return join(checkout, "components", file);
}

/** The names of an end-to-end test's checks, as a list. */
function proofs(spec: string): string {
    const names = [...read(spec).matchAll(/^ {4}it\("([^"]+)"/gm)].map(([, name]) => `- ${name}`);
    assert.ok(names.length > 0, `${spec} has checks`);
    return names.join("\n");
}

function markdownIn(folder: string): string[] {
    return readdirSync(join(checkout, folder), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".md"))
        .map((file) => relative(checkout, join(checkout, folder, file)))
        .sort();
}

/** Anchors of a page's headings, as GitHub makes them. */
function anchorsOf(text: string): string[] {
    return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
        heading
            .toLowerCase()
            .replace(/[^\w\- ]/g, "")
            .replaceAll(" ", "-"),
    );
}

/** Targets of `make` that a text names as code. */
function makeTargets(text: string): string[] {
    const code = [...text.matchAll(/```[\s\S]*?```|`[^`\n]+`/g)].map(([part]) => part).join("\n");
    return [...code.matchAll(/\bmake ([a-z][a-z0-9-]*)/g)].map(([, target]) => target);
}

function isMakeTarget(target: string): boolean {
    const [, suite] = /^test-(.+)$/.exec(target) ?? [];
    if (suite) return ["lint", "types"].includes(suite) || existsSync(join(checkout, "tests", suite));
    return new RegExp(`^${target}:`, "m").test(read("Makefile"));
}
