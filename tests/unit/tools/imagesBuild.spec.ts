import assert from "node:assert/strict";

import { buildKey, defaultBase } from "../../../tools/images/build";

describe("image build", () => {
    const inputs = { bundle: "bundle", labels: "{}", dockerfile: "FROM x", base: "node@sha256:1" };

    it("keeps its key while nothing changes", () => {
        assert.equal(buildKey({ ...inputs }), buildKey({ ...inputs, bundle: Buffer.from("bundle") }));
    });

    for (const name of ["bundle", "labels", "dockerfile", "base"] as const) {
        it(`has another key for another ${name}`, () => {
            assert.notEqual(buildKey({ ...inputs, [name]: `${inputs[name]} changed` }), buildKey(inputs));
        });
    }

    it("has another key when text moves from one input to the next", () => {
        assert.notEqual(buildKey({ ...inputs, bundle: "bundle{", labels: "}" }), buildKey(inputs));
    });

    it("has a key that is an image tag", () => {
        assert.match(buildKey(inputs), /^\w[\w.-]{0,127}$/);
    });

    it("finds the Dockerfile's base image", () => {
        assert.equal(defaultBase("# base\nARG BASE=host/node:24@sha256:12\nFROM ${BASE}\n"), "host/node:24@sha256:12");
    });

    it("names the missing line of a Dockerfile without a base image", () => {
        assert.throws(() => defaultBase("FROM scratch\n"), /needs a line `ARG BASE=/);
    });
});
