/** A part of a page that is generated, between two comments that name it. */
const BLOCK = /(<!-- generated: (.+?) -->\n)[\s\S]*?(<!-- end of generated -->)/g;

/**
 * A page whose generated blocks are made anew.
 *
 * @param blocks content by name
 * @throws Error when the page has a block that is not known, or lacks one that is
 */
export function withBlocks(page: string, blocks: Record<string, string>): string {
    const missing = new Set(Object.keys(blocks));
    const text = page.replace(BLOCK, (_, start: string, name: string, end: string) => {
        if (!Object.hasOwn(blocks, name)) throw new Error(`the page has a block "${name}" that nothing generates`);
        missing.delete(name);
        return `${start}\n${blocks[name]}\n\n${end}`;
    });
    if (missing.size > 0) throw new Error(`the page lacks the blocks ${[...missing].join(", ")}`);
    return text;
}

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
    const row = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
    return [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n");
}

/** Text as code; empty text stays empty. */
export function code(text: string): string {
    return text && `\`${text}\``;
}
