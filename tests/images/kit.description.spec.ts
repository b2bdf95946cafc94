import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { imageNames } from "../../images/bundle";
import {
    compareDescriptions,
    describeImage,
    ImageDeclaration,
    ImageDescription,
    versionProblems,
} from "../../images/kit";
import { bundled, endProcesses, startProcess } from "./support/imageProcess";
import { declaration as sample } from "./support/sampleService";

const update = process.env.UPDATE_GOLDEN === "1";

describe("kit container API", () => {
    after(endProcesses);

    for (const image of imageNames()) {
        it(`${image}: --describe is the recorded API, and a change has its version number`, async () => {
            const { declaration } = (await import(join("../../images", image, "src/declaration"))) as {
                declaration: ImageDeclaration;
            };
            const described = describeImage(declaration);
            const file = join(__dirname, "golden", `${image}.json`);
            if (existsSync(file))
                assert.deepEqual(versionProblems(JSON.parse(readFileSync(file, "utf8")), described), []);
            if (update) writeFileSync(file, `${JSON.stringify(described, undefined, 4)}\n`);
            assert.ok(existsSync(file), `no ${file}; record it with UPDATE_GOLDEN=1`);
            const recorded = JSON.parse(readFileSync(file, "utf8"));
            assert.deepEqual(described, recorded, "record the new version with UPDATE_GOLDEN=1");
        });

        it(`${image}: the bundle prints it and carries it as labels and ports`, async () => {
            const file = await bundled(image);
            const printed = startProcess(file, {}, { args: ["--describe"] });
            assert.equal(await printed.ended, 0, printed.stderr);
            const recorded = JSON.parse(readFileSync(join(__dirname, "golden", `${image}.json`), "utf8"));
            assert.deepEqual(JSON.parse(printed.stdout), recorded);
            const { labels, exposedPorts } = JSON.parse(readFileSync(join(file, "../labels.json"), "utf8"));
            assert.equal(labels["org.opencontainers.image.title"], image);
            assert.equal(labels["org.opencontainers.image.version"], recorded.version);
            assert.deepEqual(JSON.parse(labels["distributed-patterns.container-api"]), recorded);
            const ports = Object.values(recorded.ports as ImageDescription["ports"]);
            assert.deepEqual(
                exposedPorts,
                ports.map(({ number }) => `${number}/tcp`),
            );
        });
    }
});

describe("kit compatibility", () => {
    const before = describeImage(sample);

    /** The description with one change, made by `change` on a copy. */
    function changed(change: (copy: any) => void, version = before.version): ImageDescription {
        const copy = { ...structuredClone(before), version };
        change(copy);
        return copy;
    }

    const optional = { type: "integer", required: false, default: 1, allowed: "a whole number", meaning: "m" };
    const cases: [breaking: boolean, what: string, change: (copy: any) => void][] = [
        [false, "an optional parameter is new", (d) => (d.parameters.NEW = optional)],
        [false, "a route is new", (d) => (d.routes["GET /new"] = "New.")],
        [false, "a port is new", (d) => (d.ports.admin = { ...d.ports.http, number: 9000 })],
        [false, "a range is wider", (d) => (d.parameters.PORT.max = 70_000)],
        [false, "a limit is gone", (d) => delete d.parameters.DRAIN_DELAY.max],
        [false, "a word is new", (d) => d.parameters.LOG_LEVEL.values.push("verbose")],
        [true, "a parameter is gone", (d) => delete d.parameters.READY],
        [
            true,
            "a parameter has another name",
            (d) => {
                d.parameters.IS_READY = d.parameters.READY;
                delete d.parameters.READY;
            },
        ],
        [
            true,
            "a required parameter is new",
            (d) => (d.parameters.NEW = { ...optional, required: true, default: undefined }),
        ],
        [true, "a default changed", (d) => (d.parameters.ANSWER_AFTER.default = "2s")],
        [
            true,
            "a default is gone",
            (d) => Object.assign(d.parameters.ANSWER_AFTER, { required: true, default: undefined }),
        ],
        [true, "a type changed", (d) => (d.parameters.ANSWER_AFTER.type = "size")],
        [true, "a unit changed", (d) => (d.parameters.ANSWER_AFTER.unit = "seconds")],
        [true, "a meaning changed", (d) => (d.parameters.READY.meaning = "Something else.")],
        [true, "a range is narrower", (d) => (d.parameters.PORT.min = 1024)],
        [true, "a limit is new", (d) => (d.parameters.ANSWER_AFTER.max = 1000)],
        [true, "a word is gone", (d) => d.parameters.LOG_LEVEL.values.pop()],
        [true, "a text rule changed", (d) => (d.parameters.HOST.allowed = "an IP address")],
        [true, "a port is gone", (d) => delete d.ports.http],
        [true, "a port's number changed", (d) => (d.ports.http.number = 9090)],
        [true, "a route is gone", (d) => delete d.routes["GET /slow"]],
        [true, "the name changed", (d) => (d.name = "other")],
        [true, "an exit code is gone", (d) => delete d.exitCodes[78]],
    ];
    for (const [breaking, what, change] of cases) {
        it(`calls it ${breaking ? "breaking" : "compatible"} when ${what}`, () => {
            const changes = compareDescriptions(before, changed(change));
            assert.ok(changes.length > 0);
            assert.equal(
                changes.some((each) => each.breaking),
                breaking,
                JSON.stringify(changes),
            );
            assert.ok(versionProblems(before, changed(change)).length > 0);
            assert.equal(versionProblems(before, changed(change, "1.3.0")).length > 0, breaking);
            assert.deepEqual(versionProblems(before, changed(change, "2.0.0")), []);
        });
    }

    it("finds nothing where nothing or only wording changed", () => {
        assert.deepEqual(compareDescriptions(before, before), []);
        assert.deepEqual(
            versionProblems(
                before,
                changed((d) => (d.summary = d.routes["GET /slow"] = "Better words.")),
            ),
            [],
        );
    });

    it("names what changed and what to do", () => {
        assert.deepEqual(
            versionProblems(
                before,
                changed((d) => (d.parameters.ANSWER_AFTER.default = "2s"), "1.3.0"),
            ),
            ['breaking: ANSWER_AFTER: default was "1s", is "2s"; raise the major version above 1.2.0'],
        );
        assert.deepEqual(
            versionProblems(
                before,
                changed(() => undefined, "0.9.0"),
            ),
            ["version 0.9.0 is lower than 1.2.0"],
        );
    });
});
