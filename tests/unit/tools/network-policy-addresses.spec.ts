import assert from "node:assert/strict";

import {
    formatAddress,
    merge,
    parseAddress,
    parseBlock,
    subtract,
} from "../../../tools/cluster/network-policy/addresses";

const range = (first: string, last: string) => ({ first: parseAddress(first)!, last: parseAddress(last)! });

describe("IPv4 ranges", () => {
    for (const text of ["0.0.0.0", "10.244.1.2", "127.255.255.255", "128.0.0.0", "255.255.255.255"]) {
        it(`reads and writes ${text}`, () => assert.equal(formatAddress(parseAddress(text)!), text));
    }

    for (const text of ["", "10.0.0", "10.0.0.256", "10.0.0.1/32", "::1", "::ffff:10.0.0.1", "a.b.c.d", "10.0.0.1.2"]) {
        it(`does not take ${JSON.stringify(text)} for an address`, () => assert.equal(parseAddress(text), undefined));
    }

    for (const [cidr, first, last] of [
        ["0.0.0.0/0", "0.0.0.0", "255.255.255.255"],
        ["10.1.2.3/8", "10.0.0.0", "10.255.255.255"],
        ["192.0.2.128/25", "192.0.2.128", "192.0.2.255"],
        ["255.255.255.255/32", "255.255.255.255", "255.255.255.255"],
        ["010.0.0.0/24", "10.0.0.0", "10.0.0.255"],
    ]) {
        it(`reads ${cidr}`, () => assert.deepEqual(parseBlock(cidr), range(first, last)));
    }

    for (const cidr of ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "fd00::/8"]) {
        it(`does not take ${cidr} for a block`, () => assert.equal(parseBlock(cidr), undefined));
    }

    it("merges ranges that overlap, touch or lie within each other, and no others", () => {
        const ranges = [
            { first: 20, last: 30 },
            { first: 1, last: 9 },
            { first: 10, last: 12 },
            { first: 14, last: 15 },
            { first: 22, last: 25 },
            { first: 28, last: 40 },
        ];
        assert.deepEqual(merge(ranges), [
            { first: 1, last: 12 },
            { first: 14, last: 15 },
            { first: 20, last: 40 },
        ]);
        assert.deepEqual(ranges[0], { first: 20, last: 30 }, "the input stays as it was");
    });

    it("subtracts what is outside, at the edges, inside and overlapping", () => {
        const holes = [
            { first: 0, last: 12 },
            { first: 50, last: 55 },
            { first: 53, last: 60 },
            { first: 98, last: 200 },
            { first: 300, last: 400 },
        ];
        assert.deepEqual(subtract({ first: 10, last: 100 }, holes), [
            { first: 13, last: 49 },
            { first: 61, last: 97 },
        ]);
        assert.deepEqual(subtract({ first: 10, last: 100 }, [{ first: 10, last: 100 }]), []);
        assert.deepEqual(subtract({ first: 10, last: 100 }, []), [{ first: 10, last: 100 }]);
    });
});
