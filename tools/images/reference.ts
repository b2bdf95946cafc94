import { UserError } from "../lib/errors";

/** The parts of an image reference. */
export interface ImageReference {
    /** Registry host with its port; Docker Hub's is `docker.io`. */
    host: string;
    /** Name within the registry, such as `library/nginx`. */
    repository: string;
    tag?: string;
    /** `sha256:…` */
    digest?: string;
}

const GRAMMAR =
    /^(?:(?<host>[^/]*[.:][^/]*|localhost)\/)?(?<repository>[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)(?::(?<tag>\w[\w.-]{0,127}))?(?:@(?<digest>sha256:[0-9a-f]{64}))?$/;

/**
 * Takes an image reference apart, with Docker's defaults: `nginx` is `docker.io/library/nginx`.
 *
 * @throws UserError showing the text when it is no image reference
 */
export function parseReference(text: string): ImageReference {
    const groups = GRAMMAR.exec(text)?.groups;
    if (!groups)
        throw new UserError(`"${text}" is not an image reference`, "write [host/]repository[:tag][@sha256:digest]");
    const host = groups.host ?? "docker.io";
    const official = host === "docker.io" && !groups.repository.includes("/");
    return {
        host,
        repository: official ? `library/${groups.repository}` : groups.repository,
        tag: groups.tag,
        digest: groups.digest,
    };
}
