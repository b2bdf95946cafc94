/** Third-party images, by the name the project uses: the one place for their versions. */
export const catalog = {
    nginx: "docker.io/library/nginx:1.26.3",
} as const;

/** Name of a third-party image. */
export type CatalogImage = keyof typeof catalog;

/**
 * Reference of a third-party image.
 *
 * @param registry registry, with a path if it has one, that mirrors all of them. Default: the upstream registry
 */
export function imageFromCatalog(name: CatalogImage, registry?: string): string {
    return registry ? `${registry.replace(/\/+$/, "")}/${withoutRegistry(catalog[name])}` : catalog[name];
}

/** Whether a reference is one of the catalogue, upstream or from a mirror. */
export function isFromCatalog(reference: string): boolean {
    return Object.values(catalog).some(
        (entry) => reference === entry || reference.endsWith(`/${withoutRegistry(entry)}`),
    );
}

function withoutRegistry(reference: string): string {
    return reference.slice(reference.indexOf("/") + 1);
}
