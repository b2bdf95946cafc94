import { copyFileSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";

import { run } from "../lib/process";

const LIBRARIES = "usr/lib/x86_64-linux-gnu";
const LOADER = `${LIBRARIES}/ld-linux-x86-64.so.2`;

/** Copies a program (or loadable module) and every shared library it needs from one tree into another. */
export async function copyProgram(path: string, from: string, to: string): Promise<void> {
    copy(path, from, to);
    const { stdout } = await loader(from, ["--list", join(from, path)]);
    for (const library of resolvedLibraries(stdout, from)) copy(library, from, to);
    copy(LOADER, from, to);
    linkOnce("usr/lib", join(to, "lib"));
    linkOnce("usr/lib64", join(to, "lib64"));
    mkdirSync(join(to, "usr/lib64"), { recursive: true });
    linkOnce("../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", join(to, "usr/lib64/ld-linux-x86-64.so.2"));
}

/** Runs a program of a tree with that tree's own libraries and returns all it printed. */
export async function runInTree(root: string, path: string, args: string[]): Promise<string> {
    const { stdout, stderr } = await loader(root, [join(root, path), ...args]);
    return stdout + stderr;
}

/**
 * The libraries in a listing of the dynamic loader, as paths relative to the tree.
 *
 * @throws Error naming each library that is missing or comes from outside the tree
 */
export function resolvedLibraries(listing: string, root: string): string[] {
    const lines = listing.split("\n").map((line) => /^\s*(\S+) => (not found|\S+)/.exec(line));
    const entries = lines.flatMap((match) => (match ? [{ name: match[1], path: match[2] }] : []));
    const missing = entries.filter(({ path }) => !path.startsWith(`${root}/`)).map(({ name }) => name);
    if (missing.length) throw new Error(`no package of the image holds ${missing.join(", ")}`);
    return entries.map(({ path }) => relative(root, path));
}

/**
 * Whether a program names a dynamic loader, and so needs libraries beside it.
 *
 * @throws Error when the file is no 64-bit ELF program
 */
export function needsLoader(file: string): boolean {
    const elf = readFileSync(file);
    if (elf.length < 64 || elf.toString("latin1", 0, 4) !== "\x7fELF" || elf[4] !== 2) {
        throw new Error(`${file} is not a 64-bit ELF program`);
    }
    const PT_INTERP = 3;
    const headers = {
        offset: Number(elf.readBigUInt64LE(32)),
        size: elf.readUInt16LE(54),
        count: elf.readUInt16LE(56),
    };
    return Array.from({ length: headers.count }).some(
        (_, index) => elf.readUInt32LE(headers.offset + index * headers.size) === PT_INTERP,
    );
}

function loader(root: string, args: string[]): Promise<{ stdout: string; stderr: string }> {
    // The cache of this machine's libraries must not fill in for what the tree lacks.
    return run(join(root, LOADER), ["--inhibit-cache", "--library-path", join(root, LIBRARIES), ...args], {
        env: { LD_LIBRARY_PATH: undefined, LD_PRELOAD: undefined },
    });
}

function copy(path: string, from: string, to: string): void {
    mkdirSync(dirname(join(to, path)), { recursive: true });
    copyFileSync(join(from, path), join(to, path));
}

function linkOnce(target: string, path: string): void {
    try {
        mkdirSync(dirname(path), { recursive: true });
        symlinkSync(target, path);
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
}
