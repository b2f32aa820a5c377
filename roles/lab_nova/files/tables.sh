# shellcheck shell=bash
# Read by bash on a node, as the user nova: the tables of the API, the two cells, the tables of the cells. What is there already stays.
set -eu
nova-manage api_db sync
cells=$(nova-manage cell_v2 list_cells)
case $cells in *' cell0 '*) ;; *) nova-manage cell_v2 map_cell0 ;; esac
case $cells in *' cell1 '*) ;; *) nova-manage cell_v2 create_cell --name cell1 ;; esac
nova-manage db sync
