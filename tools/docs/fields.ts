import { readFileSync } from "node:fs";

import * as ts from "typescript";

import { code, table } from "./blocks";

/** A field of an interface, or a public field of a class, with what its documentation says. */
export interface Field {
    name: string;
    required: boolean;
    /** Type without `Input` and `Output`, which every argument and output may be. */
    type: string;
    meaning: string;
}

/**
 * The documented fields of an interface or class, in their order.
 *
 * @throws Error when the file has no such declaration, or one of its fields has no documentation
 */
export function fieldsOf(file: string, declaration: string): Field[] {
    const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true);
    const found = source.statements.find(
        (statement) =>
            (ts.isInterfaceDeclaration(statement) || ts.isClassDeclaration(statement)) &&
            statement.name?.text === declaration,
    ) as ts.InterfaceDeclaration | ts.ClassDeclaration | undefined;
    if (!found) throw new Error(`${file} declares no ${declaration}`);
    return [...found.members].filter(isPublicField).map((member) => {
        const name = member.name.getText();
        const meaning = ts
            .getJSDocCommentsAndTags(member)
            .map((comment) => ts.getTextOfJSDocComment(comment.comment) ?? "")
            .join(" ")
            .replace(/\s+/g, " ")
            .trim();
        if (!meaning) throw new Error(`${declaration}.${name} says nothing about itself`);
        return { name, required: !member.questionToken, type: typeText(member.type!), meaning };
    });
}

/**
 * A table of an interface's fields.
 *
 * @param pages where the types that are documented elsewhere are, by name
 */
export function argumentTable(fields: readonly Field[], pages: Readonly<Record<string, string>>): string {
    return table(
        ["Argument", "Type", "Meaning"],
        fields.map(({ name, required, type, meaning }) => [
            required ? `${code(name)} (required)` : code(name),
            linked(type, pages),
            meaning,
        ]),
    );
}

/** A table of a component's outputs. */
export function outputTable(fields: readonly Field[]): string {
    return table(
        ["Output", "Type", "Meaning"],
        fields.map(({ name, type, meaning }) => [code(name), code(type), meaning]),
    );
}

function linked(type: string, pages: Readonly<Record<string, string>>): string {
    return Object.hasOwn(pages, type) ? `[${code(type)}](${pages[type]})` : code(type);
}

function isPublicField(member: ts.Node): member is ts.PropertySignature | ts.PropertyDeclaration {
    if (ts.isPropertySignature(member)) return true;
    if (!ts.isPropertyDeclaration(member)) return false;
    return !member.modifiers?.some(({ kind }) =>
        [ts.SyntaxKind.PrivateKeyword, ts.SyntaxKind.ProtectedKeyword, ts.SyntaxKind.StaticKeyword].includes(kind),
    );
}

function typeText(node: ts.TypeNode): string {
    if (ts.isArrayTypeNode(node)) return `${typeText(node.elementType)}[]`;
    if (!ts.isTypeReferenceNode(node)) return node.getText();
    const name = node.typeName.getText();
    const parts = (node.typeArguments ?? []).map(typeText);
    if (/^pulumi\.(Input|Output)$/.test(name)) return parts[0];
    return parts.length > 0 ? `${name}<${parts.join(", ")}>` : name;
}
