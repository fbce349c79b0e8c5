"""MkDocs hook: what the pages link to outside docs/.

The pages link to files of the repository by relative paths (`../results/reference/...`), which a code host can follow.
The site holds the pages alone. While it is built, a picture is copied into it; a link to another file leads to the
repository (`repo_url` of mkdocs.yml), or becomes plain text where no address is set. A link to a file that does not
exist is a warning, which `mkdocs build --strict` turns into an error.
"""

from __future__ import annotations

import logging
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

LOG = logging.getLogger("mkdocs.hooks.docs")
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
OUTSIDE = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<path>\.\./[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
PICTURES = "pictures"  # the site's folder for them
BRANCH = "blob/HEAD"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the links of a page that leave docs/; code blocks stay as they are."""
    parts = FENCE.split(markdown)
    parts[::2] = [OUTSIDE.sub(lambda link: rewritten(link, page, config, files), part) for part in parts[::2]]
    return "".join(parts)


def rewritten(link: re.Match[str], page: Page, config: MkDocsConfig, files: Files) -> str:
    """The link as it is in the site."""
    folder = Path(config.docs_dir, page.file.src_uri).parent
    root, target = Path(config.docs_dir).parent, Path(posixpath.normpath((folder / link["path"]).as_posix()))
    if not target.is_relative_to(root) or not target.exists():
        LOG.warning("%s links to %s, which does not exist", page.file.src_uri, link["path"])
        return link[0]
    place = target.relative_to(root).as_posix()
    if link["picture"]:
        uri = f"{PICTURES}/{place}"
        if files.get_file_from_path(uri) is None:
            files.append(File.generated(config, uri, abs_src_path=str(target)))
        return f"![{link['text']}]({posixpath.relpath(uri, posixpath.dirname(page.file.src_uri) or '.')})"
    if not config.repo_url:
        return link["text"]
    return f"[{link['text']}]({config.repo_url.rstrip('/')}/{BRANCH}/{place}{link['anchor'] or ''})"
