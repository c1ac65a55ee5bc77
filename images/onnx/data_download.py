"""data-download: pictures of public datasets, or an archive from an address, become a dataset in the data volume."""

from __future__ import annotations

import closing

from isomer.dataset.download import archive, coco, openimages
from isomer.dataset.download.fetched import Request, laid_out
from isomer.dataset.importing import import_source
from isomer.errors import UserError, run_main
from isomer.fetching.errors import shown
from isomer.fetching.fetcher import Fetcher
from isomer.flags import DataDownload, parse
from isomer.volume import Volume, check_name

SOURCES = {"coco": coco.fetch, "openimages": openimages.fetch, "pennfudan": archive.fetch_penn_fudan}


def main() -> None:
    options = parse(DataDownload, prog="data-download")
    _check(options)
    volume = Volume.from_environment()
    name = check_name("dataset", options.name or options.source)
    fetcher = Fetcher(volume.downloads, options.mirror, jobs=options.jobs)
    request = Request(options.classes, options.split, options.limit, options.jobs, options.sha256)
    before = closing.previous(volume.datasets / name)
    with laid_out(volume.downloads, name) as folder:
        if options.url:
            fetched = archive.fetch(fetcher, request, folder, options.url, shown(options.url))
        else:
            fetched = SOURCES[options.source](fetcher, request, folder)
        dataset, account = import_source(
            fetched.path,
            volume.datasets / name,
            format_name=fetched.format_name or options.format,
            shares_text=fetched.shares,
            seed=options.seed,
            link=True,
            classes_text=fetched.classes,
            limit=fetched.limit,
            reading=fetched.reading,
            attribution=fetched.attribution,
            about=fetched.about(request),
        )
    count = len(dataset.about.get("attribution", ()))
    lines = [f"credited  licence and origin of {count} pictures, in dataset.json"] if count else []
    closing.tell(before, dataset, account, *lines)


def _check(options: DataDownload) -> None:
    """Refuse flags that do not go together.

    Raises:
        UserError: it names them.
    """
    if (options.source is None) == (options.url is None):
        raise UserError(f"give either --source ({', '.join(SOURCES)}) or --url")
    if options.url and not options.name:
        raise UserError("--url needs --name, the name of the new dataset")
    if options.source and options.sha256:
        raise UserError("--sha256 is for --url: the files of a --source have checksums of their own")
    if options.format and options.source in ("coco", "openimages"):
        raise UserError(f"--format is for --url: --source {options.source} has its own")


if __name__ == "__main__":
    run_main(main, goes_on=True)
