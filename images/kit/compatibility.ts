import { isDeepStrictEqual } from "node:util";

import type { ImageDescription } from "./describe";
import type { ParameterDescription } from "./parameters";

/** One difference between two versions of a container API. */
export interface Change {
    /** Breaking: a user's pod spec, client or script may stop working or mean something else. */
    breaking: boolean;
    /** Which part changed and how. */
    what: string;
}

type Section = "ports" | "routes" | "arguments" | "signals" | "exitCodes";

/** Parts whose entries are wording only: another text is no other behaviour, a missing entry is. */
const wordedSections: readonly Section[] = ["routes", "arguments", "signals", "exitCodes"];

/** All differences between two descriptions of one image; the versions themselves and wording are not compared. */
export function compareDescriptions(before: ImageDescription, after: ImageDescription): Change[] {
    const changes: Change[] = [];
    for (const field of ["name", "kind"] as const) {
        if (before[field] !== after[field]) {
            changes.push({ breaking: true, what: `${field} was ${before[field]}, is ${after[field]}` });
        }
    }
    for (const section of ["ports", ...wordedSections] as const) {
        changes.push(...compareEntries(section, before[section], after[section]));
    }
    return [...changes, ...compareParameters(before.parameters, after.parameters)];
}

/**
 * What is wrong with the version number of a changed container API: a breaking change needs a higher major number, a
 * compatible one a higher minor or major number. Empty when nothing is wrong.
 */
export function versionProblems(before: ImageDescription, after: ImageDescription): string[] {
    const [was, is] = [versionOf(before), versionOf(after)];
    const step = is.major !== was.major ? is.major - was.major : is.minor !== was.minor ? is.minor - was.minor : 0;
    if (step < 0) return [`version ${after.version} is lower than ${before.version}`];
    return compareDescriptions(before, after)
        .filter(({ breaking }) => (breaking ? is.major === was.major : step === 0))
        .map(({ breaking, what }) =>
            breaking
                ? `breaking: ${what}; raise the major version above ${before.version}`
                : `compatible: ${what}; raise the minor version above ${before.version}`,
        );
}

function versionOf({ name, version }: ImageDescription): { major: number; minor: number } {
    const [, major, minor] = /^(\d+)\.(\d+)\.\d+$/.exec(version) ?? [];
    if (minor === undefined) throw new Error(`${name} has version ${version}; give major.minor.patch`);
    return { major: Number(major), minor: Number(minor) };
}

function compareEntries(section: Section, before: Record<string, unknown>, after: Record<string, unknown>): Change[] {
    const worded = wordedSections.includes(section);
    const changes: Change[] = [];
    for (const key of unionOfKeys(before, after)) {
        if (!(key in after)) changes.push({ breaking: true, what: `${section}: ${key} is gone` });
        else if (!(key in before)) changes.push({ breaking: false, what: `${section}: ${key} is new` });
        else if (!worded && !isDeepStrictEqual(before[key], after[key])) {
            changes.push({ breaking: true, what: `${section}: ${key} changed` });
        }
    }
    return changes;
}

type ParameterDescriptions = ImageDescription["parameters"];

function compareParameters(before: ParameterDescriptions, after: ParameterDescriptions): Change[] {
    return unionOfKeys(before, after).flatMap((name) => {
        const [was, is] = [before[name], after[name]];
        if (!is) return [{ breaking: true, what: `${name} is gone` }];
        if (!was)
            return [{ breaking: is.required, what: `${name} is new and ${is.required ? "required" : "optional"}` }];
        return compareParameter(name, was, is);
    });
}

function compareParameter(name: string, was: ParameterDescription, is: ParameterDescription): Change[] {
    const changes: Change[] = [];
    for (const field of ["type", "unit", "meaning"] as const) {
        if (was[field] !== is[field]) changes.push(changed(name, field, was[field], is[field], true));
    }
    if (was.required !== is.required) changes.push(changed(name, "required", was.required, is.required, is.required));
    else if (!isDeepStrictEqual(was.default, is.default)) {
        changes.push(changed(name, "default", was.default, is.default, true));
    }
    if (was.min !== is.min)
        changes.push(changed(name, "min", was.min, is.min, (is.min ?? -Infinity) > (was.min ?? -Infinity)));
    if (was.max !== is.max)
        changes.push(changed(name, "max", was.max, is.max, (is.max ?? Infinity) < (was.max ?? Infinity)));
    if (!isDeepStrictEqual(was.values, is.values)) {
        const lost = was.values?.some((value) => !is.values?.includes(value)) ?? false;
        changes.push(changed(name, "values", was.values, is.values, lost));
    } else if (changes.length === 0 && was.allowed !== is.allowed) {
        // A rule in words: nothing tells whether it became wider or narrower.
        changes.push(changed(name, "allowed", was.allowed, is.allowed, true));
    }
    return changes;
}

function changed(name: string, field: string, was: unknown, is: unknown, breaking: boolean): Change {
    return { breaking, what: `${name}: ${field} was ${JSON.stringify(was)}, is ${JSON.stringify(is)}` };
}

function unionOfKeys(...records: Record<string, unknown>[]): string[] {
    return [...new Set(records.flatMap((record) => Object.keys(record)))];
}
