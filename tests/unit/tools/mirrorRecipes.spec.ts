import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { parseReference } from "../../../tools/images/reference";
import { needsLoader, resolvedLibraries } from "../../../tools/mirror/libraries";
import { ensureMirror, isMirrored } from "../../../tools/mirror/mirror";
import { mirrors } from "../../../tools/mirror/recipes";

describe("shared libraries of a program", () => {
    const listing = `
	linux-vdso.so.1 (0x00007ffd0)
	libz.so.1 => /tree/usr/lib/x86_64-linux-gnu/libz.so.1 (0x00007f1)
	/lib64/ld-linux-x86-64.so.2 => /tree/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 (0x00007f2)
`;

    it("are those that the loader finds inside the tree", () => {
        assert.deepEqual(resolvedLibraries(listing, "/tree"), [
            "usr/lib/x86_64-linux-gnu/libz.so.1",
            "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        ]);
    });

    it("are refused when one is missing, or would come from this machine", () => {
        const lacking = `${listing}\tliba.so => not found\n\tlibb.so => /usr/lib/libb.so (0x1)\n\tlibc.so => /rooted/libc.so (0x2)\n`;
        assert.throws(
            () => resolvedLibraries(lacking, "/tree"),
            /no package of the image holds liba.so, libb.so, libc.so$/,
        );
    });
});

describe("program that needs a loader", () => {
    let directory: string;
    before(() => (directory = mkdtempSync(join(tmpdir(), "elf-"))));
    after(() => rmSync(directory, { recursive: true }));

    /** An ELF header and its program headers of these types, as the ELF specification lays them out. */
    function elf(...types: number[]): string {
        const bytes = Buffer.alloc(64 + types.length * 56);
        bytes.write("\x7fELF\x02\x01\x01", "latin1");
        bytes.writeBigUInt64LE(64n, 32);
        bytes.writeUInt16LE(56, 54);
        bytes.writeUInt16LE(types.length, 56);
        types.forEach((type, index) => bytes.writeUInt32LE(type, 64 + index * 56));
        const file = join(directory, `elf-${types.join("-")}`);
        writeFileSync(file, bytes);
        return file;
    }

    it("is one with an interpreter header, and no other", () => {
        assert.equal(needsLoader(elf(6, 3, 1)), true);
        assert.equal(needsLoader(elf(1, 2, 4)), false);
    });

    it("is not asked of a file that is no program", () => {
        const file = join(directory, "script");
        writeFileSync(file, "#!/bin/sh\n".padEnd(100));
        assert.throws(() => needsLoader(file), /script is not a 64-bit ELF program/);
    });
});

describe("stand-in images", () => {
    it("are named by full references with the tag that says their version", () => {
        for (const upstream of Object.keys(mirrors)) assert.ok(parseReference(upstream).tag, upstream);
        assert.equal(isMirrored("docker.io/library/nginx:1.26.3"), true);
        assert.equal(isMirrored("toString"), false);
    });

    it("are refused where there is no recipe, naming those there are", async () => {
        await assert.rejects(ensureMirror("docker.io/library/nginx:1.0"), {
            name: "UserError",
            message: /nginx:1\.0 can be made here; there are docker\.io\/library\/nginx:1\.26\.3, /,
        });
    });

    it("are refused without the program they are made around", async () => {
        await assert.rejects(
            ensureMirror("registry.k8s.io/pause:3.10"),
            /pause:3\.10 needs the program pause; hand in its path$/,
        );
    });
});
