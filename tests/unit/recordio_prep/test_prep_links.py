"""Links: which column is which, what a row gives, and what a second run has left to do."""

import codecs
import dataclasses
import errno
import itertools
import os
import pickle
import signal
import threading
from concurrent.futures import Future

import pytest
from photo_server import PHOTO, answer, cut_off, encoded, serving, silent

from contracts import DatasetError
from recordio_prep.sources.download_ahead import Ahead
from recordio_prep.sources.download_settings import DownloadSettings
from recordio_prep.sources.link_cache import Arrival, Failed, LinkCache, link_digest
from recordio_prep.sources.link_table import Row
from recordio_prep.sources.links import Links
from recordio_prep.sources.source import LeftOut, Photo, Source, is_listable

SETTINGS = DownloadSettings(allow_private=True, retries=0)
LINK = "https://photos.test/{}.jpg"


@pytest.fixture
def server():
    """A PhotoServer."""
    with serving() as server:
        yield server


@pytest.fixture
def table(tmp_path):
    """A function that writes `links.csv`, or another file, and returns its path."""

    def write(text, name="links.csv", encoding="utf-8"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode(encoding))
        return path

    return write


@pytest.fixture
def find(tmp_path):
    """`Links.find` with a cache beside the table and loopback allowed."""

    def links(path, *, retry_failed=False, **settings):
        return Links.find(
            path,
            cache=tmp_path / "cache",
            settings=dataclasses.replace(SETTINGS, **settings),
            retry_failed=retry_failed,
        )

    return links


def listed(server, *rows):
    """A table of links of the server: `listed(server, ("/a", "cat"), ...)`."""
    return "url,label\n" + "".join(f"{server.link(path)},{label}\n" for path, label in rows)


def rows_of(links):
    """Link, labels and product of each row."""
    return [(row.link, row.labels, row.product) for table in links.tables for row in table.rows()]


def in_cache(links):
    """Files in the cache, temporary ones included; the lock apart."""
    return [path for path in links.cache.rglob("*") if path.is_file() and path.name != ".lock"]


def no_downloads_under_way():
    """Whether the downloads' thread has ended."""
    return "downloads" not in [thread.name for thread in threading.enumerate()]


A, B = LINK.format("a"), LINK.format("b")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"url,label\n{A},cat\n{B},dog\n", "links.csv"),
        (f"URL;Category\n{A};cat\n{B};dog\n", "links.csv"),
        (f"Image URL\tClass\n{A}\tcat\n{B}\tdog\n", "links.txt"),
        (f"label\tlink\ncat\t{A}\ndog\t{B}\n", "links.tsv"),
        (f'"label","image"\r\n"cat","{A}"\r\n\r\n"dog","{B}"\r\n', "links.csv"),
        (f"id,tags,image-link,price\n1,cat,{A},9\n2,dog,{B},8\n", "links.csv"),
        (f"page,label,image_url\n{B},cat,{A}\n{A},dog,{B}\n", "links.csv"),
        (f"wo,was\n{A},cat\n{B},dog\n", "links.csv"),
        (f"{A},cat\n{B},dog\n", "links.csv"),
        (f"cat;{A}\ndog;{B}", "links.csv"),
        (f"cat\t{A}\ndog\t{B}\n", "links.csv"),
        (f"  {A} , cat \n{B.replace('https', 'HTTPS')},dog\n".replace("HTTPS", "https"), "l.csv"),
    ],
)
def test_columns_are_found_by_name_or_else_by_content(find, table, text, name):
    """Commas, semicolons or tabs; header or none; whatever order."""
    links = find(table(text, name))
    assert rows_of(links) == [(A, ("cat",), ""), (B, ("dog",), "")]
    assert links.classes is None
    assert not links.multi_label
    assert links.rows == 2


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_are_understood(find, table, encoding):
    """Spreadsheets write them."""
    links = find(table(f"url,label\n{A},kätzchen\n", encoding=encoding))
    assert rows_of(links) == [(A, ("kätzchen",), "")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("name,label\nx,cat\n", "no columns of links, expected one; columns: name, label"),
        (f"one,two,label\n{A},{B},cat\n", "2 columns of links, expected one; columns: one, two"),
        (f"{A},cat,red\n", "2 columns may hold the labels, expected one; columns: 1, 2, 3"),
        (
            f"url,what,size\n{A},cat,9\n",
            "2 columns may hold the labels, expected one; columns: url",
        ),
        (f"url\n{A}\n", "no columns may hold the labels, expected one; columns: url"),
    ],
)
def test_columns_that_are_not_clear_are_named(find, table, text, found):
    """The message says which there are, the hint what to call them."""
    with pytest.raises(DatasetError) as caught:
        find(table(text))
    assert found in caught.value.message
    assert "in a header" in caught.value.hint


def test_products_are_told(find, table):
    """Photos of one product stay together; the column may be absent."""
    links = find(table(f"product_id,url,label\n7,{A},cat\n,{B},cat\n"))
    assert rows_of(links) == [(A, ("cat",), "7"), (B, ("cat",), "")]


def test_several_labels_in_some_row_make_it_multi_label(find, table):
    """`|` stands between them; empty and repeated ones do not count."""
    links = find(table(f"url,labels\n{A},red | cat||red\n{B},\n"))
    assert links.multi_label
    assert rows_of(links) == [(A, ("red", "cat"), ""), (B, (), "")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "Found 0 links"),
        (b"\n\n", "Found 0 links"),
        (b"url,label\n", "Found 0 links"),
        (b"url,label\nhttp://a/\xff,cat\n", "not UTF-8 text"),
        (b"url,label\n" + b"http://a/,cat\n" * 9000 + b"\xff", "not UTF-8 text"),
        (
            b'url,label\nhttp://a/,cat\n"http://b/,dog\n' + b"http://c/,cat\n" * 20_000,
            "field larger",
        ),
        (codecs.BOM_UTF16_LE + b"a", "not UTF-8 text"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(find, tmp_path, data, message):
    """Empty, of another encoding, or with a quotation mark left open."""
    (tmp_path / "links.csv").write_bytes(data)
    with pytest.raises(DatasetError, match=message) as caught:
        find(tmp_path / "links.csv")
    assert "links.csv" in caught.value.message


def test_no_table_is_an_error(find, tmp_path):
    """Neither is a folder without category folders."""
    with pytest.raises(DatasetError, match="No such file"):
        find(tmp_path / "absent.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="Found 0 links"):
        find(tmp_path / "empty")


def test_the_marketplaces_folders_are_categories(find, table, tmp_path):
    """Each `data.csv` lists links, with a header or none, other columns or none."""
    table(f"{A}\n{B}\n", "m/shirts/data.csv")
    table(f"id,url,label\n1,{A},ignored\n", "m/hats/data.csv")
    table("", "m/socks/data.csv")
    table(f"{A},9\n", "m/coats/links.csv")
    table("x", "m/notes.txt")
    table("x", "m/.hidden/data.csv")
    links = find(tmp_path / "m")
    assert rows_of(links) == [(A, ("hats",), ""), (A, ("shirts",), ""), (B, ("shirts",), "")]
    assert links.classes == ("hats", "shirts", "socks")
    assert list(links.strays) == [
        LeftOut(".hidden", "hidden", photo=False),
        LeftOut("coats", "no data.csv in it", photo=False),
        LeftOut("notes.txt", "lies beside the category folders", photo=False),
    ]


def test_links_with_commas_need_no_quotes_where_they_stand_alone(find, table, tmp_path):
    """Picture services write sizes so: `/w_300,h_200/`."""
    text = "url\nhttp://a/w_1,h_2/x.jpg\nhttp://a/y.jpg\n"
    table(text, "m/hats/data.csv")
    links = [link for link, *_ in rows_of(find(tmp_path / "m"))]
    assert links == ["http://a/w_1,h_2/x.jpg", "http://a/y.jpg"]


def test_photos_come_with_category_and_a_path_that_follows_the_link(server, find, table):
    """The path begins with the category; its number is of the link, its end of the bytes."""
    server.replies["/b"] = [answer(body=encoded(form="JPEG"))]
    links = find(table(listed(server, ("/a", "cat"), ("/b", "dog"))))
    first, second = links.entries()
    stem = link_digest(server.link("/a"))[:16]
    assert first.path == f"cat/{stem}.png"
    assert (first.categories, first.size, first.product) == (("cat",), len(PHOTO), "")
    assert second.path.startswith("dog/")
    assert second.path.endswith(".jpg")
    assert links.read(first.locator) == PHOTO


def test_paths_do_not_change_when_rows_come_and_go(server, find, table):
    """Only the rows that are new are downloaded."""
    before = list(find(table(listed(server, ("/a", "cat"), ("/b", "dog")))).entries())
    after = list(find(table(listed(server, ("/c", "cat"), ("/b", "dog")))).entries())
    assert after[1] == before[1]
    assert sorted(server.asked) == ["/a", "/b", "/c"]


def test_entries_come_in_the_order_of_the_rows(server, find, table):
    """However long the first one takes."""
    second_asked = threading.Event()

    def late(handler):
        assert second_asked.wait(10)
        answer()(handler)

    def early(handler):
        second_asked.set()
        answer()(handler)

    server.replies.update({"/a": [late], "/b": [early]})
    links = find(table(listed(server, ("/a", "cat"), ("/b", "dog"))))
    assert [entry.categories for entry in links.entries()] == [("cat",), ("dog",)]


def test_a_second_run_asks_the_server_for_nothing(server, find, table):
    """Neither for photos nor for what is known to be gone; the entries are the same."""
    server.replies["/b"] = [answer(404, b"")]
    links = find(table(listed(server, ("/a", "cat"), ("/b", "dog"))))
    first = list(links.entries())
    server.asked.clear()
    assert list(links.entries()) == first
    assert server.asked == []
    assert isinstance(first[0], Photo)
    assert first[1] == LeftOut(server.link("/b"), first[1].reason, photo=True)


def test_what_failed_for_good_is_asked_again_if_wanted(server, find, table):
    """`retry_failed`; the photos that stand are not asked for even then."""
    server.replies["/b"] = [answer(404, b""), answer()]
    path = table(listed(server, ("/a", "cat"), ("/b", "dog")))
    assert [type(entry) for entry in find(path).entries()] == [Photo, LeftOut]
    server.asked.clear()
    assert [type(e) for e in find(path, retry_failed=True).entries()] == [Photo, Photo]
    assert [type(entry) for entry in find(path).entries()] == [Photo, Photo]
    assert server.asked == ["/b"]


def test_what_failed_for_a_moment_is_asked_again_by_the_next_run(server, find, table):
    """A download that broke off leaves nothing that would pass for a photo."""
    server.replies["/a"] = [cut_off, answer()]
    links = find(table(listed(server, ("/a", "cat"))))
    (broken,) = links.entries()
    assert "links.csv:2: the connection failed" in broken.reason
    assert in_cache(links) == []
    (photo,) = links.entries()
    assert links.read(photo.locator) == PHOTO


def test_a_damaged_file_in_the_cache_is_downloaded_again(server, find, table):
    """A power cut may leave a file without its bytes."""
    links = find(table(listed(server, ("/a", "cat"))))
    (photo,) = links.entries()
    (links.cache / photo.locator).write_bytes(b"")
    assert next(links.entries()).size == len(PHOTO)
    assert len(server.asked) == 2


def test_the_same_link_is_fetched_once(server, find, table):
    """In a category it is left out, naming the first; another category has it too."""
    path = table(listed(server, ("/a", "cat"), ("/a", "cat"), ("/a", "dog")))
    first, repeated, other = find(path).entries()
    assert repeated == LeftOut(
        server.link("/a"), "links.csv:3: the same link as links.csv:2", photo=False
    )
    assert (first.locator, first.path) != (other.locator, other.path)
    assert other.categories == ("dog",)
    assert first.locator == other.locator
    assert server.asked == ["/a"]


def test_with_several_labels_a_link_counts_once(server, find, table):
    """A row that says other labels of the same photo is no mere repetition."""
    rows = [("/a", "cat|red"), ("/a", "red|cat"), ("/a", "dog"), ("/b", "")]
    first, same, other, bare = find(table(listed(server, *rows))).entries()
    assert first.categories == ("cat", "red")
    assert (same.reason, same.photo) == ("links.csv:3: the same link as links.csv:2", False)
    assert (other.reason, other.photo) == (
        "links.csv:4: the same link as links.csv:2, with other labels",
        True,
    )
    assert bare.categories == ()
    assert is_listable(bare.path)


def test_rows_that_are_no_use_are_listed(server, find, table):
    """Each with its reason; they count as photos, so that `strict` minds them."""
    text = f"url,label\n,cat\n{server.link('/a')},\nftp://a/b,cat\n{server.link('/b')},cat,x\n"
    text += f'http://me:secret@a.test/,cat\n"http://a/\tb",cat\n{server.link("/c")},"a\nb"\n'
    left_out = list(find(table(text)).entries())
    assert [(entry.path, entry.reason) for entry in left_out] == [
        ("links.csv:2", "no link"),
        (server.link("/a"), "links.csv:3: no label"),
        ("ftp://a/b", "links.csv:4: ftp scheme, expected http or https"),
        (server.link("/b"), "links.csv:5: 3 columns, expected 2"),
        ("http://…@a.test/", "links.csv:6: holds a user name or password"),
        ("http://a/\\tb", left_out[5].reason),
        (server.link("/c"), "links.csv:9: a label that .lst cannot hold"),
    ]
    assert left_out[5].reason.startswith("links.csv:7: not a link: ")
    assert all(entry.photo for entry in left_out)
    assert server.asked == []


@pytest.mark.parametrize("character", ["\x1f", "\x1b", "\x7f", "\x01"])
def test_control_characters_are_no_part_of_a_category(server, find, table, character):
    """U+001F would make two categories of one in the catalog, and ESC steers a terminal."""
    path = table(listed(server, ("/a", f"cat{character}[2J")))
    (entry,) = find(path).entries()
    assert entry.reason.endswith("a label that .lst cannot hold")
    folder = table(server.link("/a") + "\n", f"m/hat{character}s/data.csv").parents[1]
    table(server.link("/a") + "\n", "m/shirts/data.csv")
    assert find(folder).classes == ("shirts",)
    assert repr(character)[1:-1] in find(folder).strays[0].path


def test_categories_cannot_lead_out_of_their_folder(server, find, table):
    """Slashes and dots become part of one name, different for different categories."""
    labels = ["a/b", "a%2Fb", "..", "."]
    photos = list(find(table(listed(server, *(("/a", label) for label in labels)))).entries())
    folders = [photo.path.rpartition("/")[0] for photo in photos]
    assert folders == ["a%2Fb", "a%252Fb", "%2E.", "%2E"]
    assert [photo.categories for photo in photos] == [(label,) for label in labels]


def test_paths_are_unique_and_listable(server, find, table):
    """As `.lst` needs them."""
    rows = [(f"/{n}", label) for n in range(20) for label in ("cat", "dög")]
    paths = [photo.path for photo in find(table(listed(server, *rows))).entries()]
    assert len(set(paths)) == len(paths) == 40
    assert all(map(is_listable, paths))


def test_the_limit_of_all_bytes_takes_the_same_photos_every_time(server, find, table):
    """In the rows' order: the first that goes beyond it and all after it are left out."""
    rows = [(f"/{n}", "cat") for n in range(30)]
    path = table(listed(server, *rows))
    kinds = [type(entry) for entry in find(path, total_bytes=2 * len(PHOTO)).entries()]
    again = find(path, total_bytes=2 * len(PHOTO), workers=1)
    assert kinds == [Photo] * 2 + [LeftOut] * 28
    assert [type(entry) for entry in again.entries()] == kinds
    assert "as many as they may" in list(again.entries())[-1].reason


def test_only_so_many_rows_are_looked_at_ahead(tmp_path):
    """Memory does not grow with the number of links."""
    pulled, begun = itertools.count(), []

    def rows():
        for _ in range(100):
            yield Row("t:1", f"http://a/{next(pulled)}", ("cat",), ""), None

    def begin(link):
        begun.append(link)
        future = Future()
        future.set_result(Failed("gone"))
        return future

    cache = LinkCache(tmp_path, tmp_path)
    outcomes = Ahead(begin, cache, DownloadSettings(workers=2)).in_order(rows())
    next(outcomes)
    assert len(begun) == DownloadSettings(workers=2).ahead + 1 == 17
    next(outcomes)
    assert len(begun) == next(pulled) == 18


def test_leaving_early_ends_the_downloads(server, find, table):
    """What is whole stays, nothing else does, and no thread goes on."""
    server.replies["/b"] = [silent]
    links = find(table(listed(server, ("/a", "cat"), ("/b", "dog"))))
    entries = links.entries()
    photo = next(entries)
    entries.close()
    assert no_downloads_under_way()
    assert in_cache(links) == [links.cache / photo.locator]


def test_an_interrupt_ends_the_downloads(server, find, table):
    """Ctrl-C while a server keeps it waiting; the next run goes on where it was."""

    def interrupting(handler):
        os.kill(os.getpid(), signal.SIGINT)
        silent(handler)

    server.replies["/b"] = [interrupting, answer()]
    links = find(table(listed(server, ("/a", "cat"), ("/b", "dog"))), workers=1)
    with pytest.raises(KeyboardInterrupt):
        list(links.entries())
    assert no_downloads_under_way()
    assert len(in_cache(links)) == 1
    server.asked.clear()
    assert [type(entry) for entry in links.entries()] == [Photo, Photo]
    assert server.asked == ["/b"]


def test_a_full_disk_is_told_and_leaves_nothing_half_written(monkeypatch, server, find, table):
    """The hint says what helps."""

    def full(_self, _data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Arrival, "write", full)
    links = find(table(listed(server, ("/a", "cat"))))
    with pytest.raises(DatasetError, match="No space left on device") as caught:
        list(links.entries())
    assert "free some space" in caught.value.hint
    assert in_cache(links) == []
    assert no_downloads_under_way()


def test_one_process_at_a_time_downloads_into_a_cache(server, find, table):
    """Another one would fetch the same links again."""
    links = find(table(listed(server, ("/a", "cat"), ("/b", "dog"))))
    entries = links.entries()
    next(entries)
    with pytest.raises(DatasetError, match="another process"):
        next(links.entries())
    entries.close()


def test_a_photo_that_left_the_cache_cannot_be_read(server, find, table):
    """An OSError, as the interface says."""
    links = find(table(listed(server, ("/a", "cat"))))
    (photo,) = links.entries()
    (links.cache / photo.locator).unlink()
    with pytest.raises(FileNotFoundError):
        links.read(photo.locator)


def test_it_is_a_source_that_worker_processes_can_be_handed(server, find, table):
    """Plain values through and through."""
    links: Source = find(table(listed(server, ("/a", "cat"))))
    (photo,) = links.entries()
    copy = pickle.loads(pickle.dumps(links))  # noqa: S301 (made here)
    assert copy == links
    assert copy.read(photo.locator) == PHOTO
    assert dict(links.tree) == {}
    assert links.name.endswith("links.csv")


def test_one_name_is_one_category_in_either_form_of_unicode(find, table, tmp_path):
    """In labels and in the names of folders."""
    path = table(f"url,label\n{A},cafe\u0301|caf\u00e9\n{B},cafe\u0301\n")
    assert rows_of(find(path)) == [(A, ("caf\u00e9",), ""), (B, ("caf\u00e9",), "")]
    table(f"{A}\n", "m/cafe\u0301/data.csv")
    table(f"{B}\n", "m/caf\u00e9/data.csv")
    links = find(tmp_path / "m")
    assert links.classes == ("caf\u00e9",)
    assert [labels for _, labels, _ in rows_of(links)] == [("caf\u00e9",)] * 2


def test_no_row_vanishes_among_others_of_the_same_link(server, find, table):
    """A list that knows entries by path and reason keeps each: the reason names the row."""
    server.replies["/gone"] = [answer(404)]
    rows = [*[("/a", "cat")] * 5, ("/gone", "cat"), ("/gone", "dog"), ("/b", ""), ("/b", "")]
    entries = list(find(table(listed(server, *rows))).entries())
    assert isinstance(entries[0], Photo)
    assert len({(entry.path, entry.reason) for entry in entries[1:]}) == 8
