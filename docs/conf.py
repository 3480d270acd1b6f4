"""Settings of Sphinx, for the sources that make_site.py has put together."""
import pathlib
import re

base = (pathlib.Path(__file__).resolve().parents[1]
        / "core/include/mapped/base.h")
project = "mapped"
author = copyright = "the authors of mapped"
release = version = re.search(r'MAPPED_VERSION "(.*)"', base.read_text())[1]
extensions = ["myst_parser"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
root_doc = "index"
html_theme = "furo"
html_title = f"mapped {release}"
html_copy_source = False
html_show_copyright = html_show_sphinx = False
html_last_updated_fmt = None
html_css_files = ["mapped.css"]
html_static_path = ["mapped.css"]
highlight_language = "none"
primary_domain = None
smartquotes = False
c_allow_pre_v3 = False
# `…` in code that only hints at a program, and C that isn't a whole one.
suppress_warnings = ["misc.highlighting_failure"]


def setup(app):
    app.add_object_type("lua", "lua", "pair: %s; Lua function")
